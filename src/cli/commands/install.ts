import type { InstallProgress } from "../../client/index.ts";
import { describeProgress, parseEngineName } from "../../router/index.ts";
import { RouterError } from "../../errors.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible, Interruption } from "../interruptible.ts";
import { openServer } from "../open-server.ts";
import { ProgressLine } from "../progress-line.ts";

export interface InstallFlags {
  readonly version?: string | undefined;
  readonly force?: boolean | undefined;
  readonly fromSource?: boolean | undefined;
}

/** Installs an engine, showing its progress, and says where it is. Ctrl-C ends the installation and leaves nothing half done. */
export async function install(name: string, { version, force, fromSource }: InstallFlags): Promise<number> {
  const engine = fromSource === true ? sourceOf(name) : name;
  requireName(engine);
  await using server = await openServer();
  using progress = new ProgressLine();
  const installed = await interruptible(
    async (signal) =>
      await server.client.install(engine, {
        version,
        force,
        signal,
        onProgress: (state) => progress.show(`${engine}: ${describe(state)}`),
      }),
  ).catch((error: unknown) => {
    progress.clear();
    if (error instanceof Interruption) console.error(`Stopped. What was downloaded is kept: go on with: lemonade install ${name}`);
    throw error;
  });
  progress.clear();
  for (const warning of installed.warnings) console.error(`warning: ${warning}`);
  console.log(`${installed.message} in ${installed.path}`);
  return EXIT.success;
}

/** Removes an engine. */
export async function uninstall(name: string): Promise<number> {
  requireName(name);
  await using server = await openServer();
  console.log(await interruptible(async (signal) => await server.client.uninstall(name, { signal })));
  return EXIT.success;
}

/** What is wrong with the words of the command is a matter of usage. */
function requireName(name: string): void {
  try {
    parseEngineName(name);
  } catch (error) {
    throw error instanceof RouterError ? new RouterError("CONFIG_INVALID", error.message, { hint: error.hint, cause: error }) : error;
  }
}

function sourceOf(name: string): string {
  if (name === "llamacpp" || name === "llamacpp:from-source") return "llamacpp:from-source";
  throw new RouterError("CONFIG_INVALID", `Only llamacpp is built from source, not ${JSON.stringify(name)}`);
}

function describe({ stage, percent, bytes_done, bytes_total, detail }: InstallProgress): string {
  return describeProgress({
    stage,
    fraction: percent === null ? undefined : percent / 100,
    bytesDone: bytes_done ?? undefined,
    bytesTotal: bytes_total ?? undefined,
    detail: detail ?? undefined,
  });
}
