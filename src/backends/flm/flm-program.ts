import { RouterError } from "../../errors.ts";
import type { ProcessRecords } from "../../platform/index.ts";
import { runCommand, type CommandResult } from "../install/run-command.ts";
import { findFlm } from "./find-flm.ts";
import { parseFlmVersion, parseInstalledTags } from "./flm-output.ts";
import { FLM_POLICY } from "./flm-policy.ts";

export interface FlmProgramOptions {
  /** Environment of the program; it is looked up on its `PATH`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly records?: ProcessRecords | undefined;
}

export interface PullOptions {
  /** Replaces a model that is here by a newer one of its tag. */
  readonly mayUpgrade?: boolean | undefined;
  /** Lines that the program prints. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const QUESTION_TIMEOUT_MS = 20_000;
const REMOVE_TIMEOUT_MS = 60_000;
/** Lists are asked for by every look at the catalogue, and the program takes a while to start. */
const LIST_FRESH_MS = 10_000;
const NO_TAGS: ReadonlySet<string> = new Set();

/** FastFlowLM's program, which keeps its models itself: every question and order is a command. */
export class FlmProgram {
  readonly #options: FlmProgramOptions;
  #listed: { readonly tags: Promise<ReadonlySet<string>>; readonly atMs: number } | undefined;

  constructor(options: FlmProgramOptions) {
    this.#options = options;
  }

  /** Path of the program, or undefined when it is not installed. */
  async find(): Promise<string | undefined> {
    return await findFlm(this.#options.env);
  }

  /** `v0.9.23`; undefined when it is not installed or does not say. */
  async version(signal?: AbortSignal): Promise<string | undefined> {
    const result = await this.#run(["version"], { timeoutMs: QUESTION_TIMEOUT_MS, signal });
    return result === undefined ? undefined : parseFlmVersion(result.lines);
  }

  /** Tags of the models that are here; none when the program is missing or fails. */
  async installedTags(): Promise<ReadonlySet<string>> {
    const nowMs = performance.now();
    if (this.#listed === undefined || nowMs - this.#listed.atMs > LIST_FRESH_MS) {
      this.#listed = { tags: this.#list(), atMs: nowMs };
    }
    return await this.#listed.tags;
  }

  async #list(): Promise<ReadonlySet<string>> {
    const result = await this.#run(["list"], { timeoutMs: QUESTION_TIMEOUT_MS });
    return result?.exitCode === 0 ? parseInstalledTags(result.lines) : NO_TAGS;
  }

  /**
   * Downloads a model.
   * @throws {@link RouterError} `BACKEND_NOT_INSTALLED`, `DOWNLOAD_FAILED` with the program's last line.
   */
  async pull(tag: string, { mayUpgrade = false, onLine, signal }: PullOptions = {}): Promise<void> {
    const args = ["pull", requireTag(tag), ...(mayUpgrade ? ["--force"] : [])];
    const result = await this.#run(args, { onLine, signal });
    this.#listed = undefined;
    if (result === undefined) throw flmMissing();
    if (result.exitCode !== 0) throw new RouterError("DOWNLOAD_FAILED", `FastFlowLM could not fetch ${tag} (${endOf(result)})`);
  }

  /**
   * Deletes a model.
   * @throws {@link RouterError} `BACKEND_NOT_INSTALLED`, `MODEL_NOT_DELETABLE`.
   */
  async remove(tag: string, signal?: AbortSignal): Promise<void> {
    const result = await this.#run(["remove", requireTag(tag)], { timeoutMs: REMOVE_TIMEOUT_MS, signal });
    this.#listed = undefined;
    if (result === undefined) throw flmMissing();
    if (result.exitCode !== 0) throw new RouterError("MODEL_NOT_DELETABLE", `FastFlowLM could not delete ${tag} (${endOf(result)})`);
  }

  async #run(
    args: readonly string[],
    options: { timeoutMs?: number; signal?: AbortSignal | undefined; onLine?: ((line: string) => void) | undefined },
  ): Promise<CommandResult | undefined> {
    const program = await this.find();
    return program === undefined ? undefined : await runCommand(program, args, { ...this.#options, ...options });
  }
}

/** The one sentence about a missing program, for every system. */
export function flmMissing(platform: NodeJS.Platform = process.platform): RouterError {
  return new RouterError("BACKEND_NOT_INSTALLED", "FastFlowLM is not installed: no `flm` program was found", {
    hint:
      platform === "win32"
        ? "Install it: lemonade install flm"
        : `It needs an AMD Ryzen AI NPU, and its installer is for Windows; where \`flm\` is on PATH it is used (see ${FLM_POLICY.releasesPage}).`,
  });
}

/** A tag comes from a registry or a request: it must not be read as an option. */
function requireTag(tag: string): string {
  if (/^[\w][\w.:/-]*$/.test(tag)) return tag;
  throw new RouterError("INVALID_REQUEST", `${JSON.stringify(tag)} is no tag of FastFlowLM's models`);
}

function endOf({ exitCode, failure, lines }: CommandResult): string {
  const last = lines.at(-1)?.trim();
  return `${failure ?? `exit code ${exitCode}`}${last === undefined ? "" : `: ${last}`}`;
}
