import * as v from "valibot";
import { errorMessage } from "../../../errors.ts";
import { closeNames } from "../../../model/index.ts";
import { pickFreePort, splitArguments } from "../../../platform/index.ts";
import { InvalidOptionsError } from "./errors.ts";

/** What a llama-server shall serve, and how. */
export interface LlamaServerOptions {
  /** Path of the model, a GGUF file; of a model in shards the first one. */
  readonly model: string;
  /** The name that the engine reports in its answers. */
  readonly alias: string;
  /** Path of the `llama-server` program; see {@link resolveExecutable}. */
  readonly executable: string;
  /** Key that the engine asks of its clients; it is sent with every request of ours. By default none is asked. */
  readonly apiKey?: string | undefined;
  /** TCP port. Defaults to one that is free when the options are resolved. */
  readonly port?: number | undefined;
  /** Address to listen on. Defaults to the engine's own default, `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Whether `--embeddings` is passed, without which the engine refuses requests for embeddings. Defaults to `true`. */
  readonly embeddings?: boolean | undefined;
  /** Further arguments of the engine, one word each, after all others: of an option given twice, the engine takes the last one. */
  readonly args?: readonly string[] | undefined;
  /** Further arguments as one line, after `args`; blanks separate, single and double quotes group, a backslash is an ordinary character. */
  readonly extraArgs?: string | undefined;
  /** Variables on top of the environment of this process. Inherited ones that llama.cpp reads as options are left out, these are not. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Working directory of the engine, against which a relative `model` is read. Defaults to that of this process. */
  readonly cwd?: string | undefined;
  /**
   * Folder in which the process is remembered while it lives, so that {@link endLeftovers} finds it when this program has been killed. Engines
   * end by themselves when their program dies, except builds older than llama.cpp's router mode. By default nothing is remembered.
   */
  readonly recordsDir?: string | undefined;
}

/** {@link LlamaServerOptions} with every default applied: the port is chosen and `extraArgs` are words of `args`. */
export interface ResolvedOptions {
  /** See {@link LlamaServerOptions.model}. */
  readonly model: string;
  /** See {@link LlamaServerOptions.alias}. */
  readonly alias: string;
  /** See {@link LlamaServerOptions.executable}. */
  readonly executable: string;
  /** See {@link LlamaServerOptions.apiKey}. */
  readonly apiKey: string | undefined;
  /** TCP port, the same for the life of these options. */
  readonly port: number;
  /** See {@link LlamaServerOptions.host}. */
  readonly host: string | undefined;
  /** See {@link LlamaServerOptions.embeddings}. */
  readonly embeddings: boolean;
  /** All further arguments, one word each. */
  readonly args: readonly string[];
  /** See {@link LlamaServerOptions.env}. */
  readonly env: Readonly<Record<string, string>>;
  /** See {@link LlamaServerOptions.cwd}. */
  readonly cwd: string | undefined;
  /** See {@link LlamaServerOptions.recordsDir}. */
  readonly recordsDir: string | undefined;
}

/** The port of a server whose port could not be chosen, and the default of the engine. */
export const FALLBACK_PORT = 8080;

const text = v.pipe(v.string(), v.nonEmpty("it is empty"));
const Options = v.strictObject({
  model: text,
  alias: text,
  executable: text,
  apiKey: v.optional(text),
  port: v.optional(
    v.pipe(v.number(), v.integer("it is no whole number"), v.minValue(1, "it is below 1"), v.maxValue(65_535, "it is above 65535")),
  ),
  // HTTP over a Unix socket needs another client.
  host: v.optional(
    v.pipe(
      text,
      v.check((host) => !host.endsWith(".sock"), "Unix sockets are not supported"),
    ),
  ),
  embeddings: v.optional(v.boolean()),
  args: v.optional(v.array(v.string())),
  extraArgs: v.optional(v.string()),
  env: v.optional(v.record(v.string(), v.string())),
  cwd: v.optional(text),
  recordsDir: v.optional(text),
});

/**
 * Checks options that come from outside, such as a configuration file. Whether the files exist is checked when the server is made.
 * @throws {@link InvalidOptionsError} with the path of the first field that is missing, unknown or wrong.
 */
export function parseOptions(input: unknown): LlamaServerOptions {
  const result = v.safeParse(Options, input, { abortEarly: true });
  if (!result.success) throw invalidOption(result.issues[0]);
  wordsOf(result.output);
  return result.output;
}

/**
 * Checks options and applies the defaults. The port is chosen here and stays the same, so that it may be told to others before the
 * start; when the system gives none, it is 8080.
 * @throws {@link InvalidOptionsError}
 */
export async function resolveOptions(options: LlamaServerOptions): Promise<ResolvedOptions> {
  const { extraArgs: _words, ...checked } = parseOptions(options);
  return {
    ...checked,
    apiKey: checked.apiKey,
    host: checked.host,
    cwd: checked.cwd,
    recordsDir: checked.recordsDir,
    port: checked.port ?? (await pickFreePort({ host: checked.host }).catch(() => FALLBACK_PORT)),
    embeddings: checked.embeddings ?? true,
    args: wordsOf(options),
    env: checked.env ?? {},
  };
}

function wordsOf({ args = [], extraArgs = "" }: Pick<LlamaServerOptions, "args" | "extraArgs">): string[] {
  try {
    return [...args, ...splitArguments(extraArgs)];
  } catch (error) {
    throw new InvalidOptionsError("extraArgs", errorMessage(error), { cause: error });
  }
}

function invalidOption(issue: v.InferIssue<typeof Options>): InvalidOptionsError {
  const field = v.getDotPath(issue);
  if (field === null) return new InvalidOptionsError("options", "they are no object");
  const isTopLevel = issue.path?.length === 1;
  if (isTopLevel && issue.expected === "never") {
    const [close] = closeNames(field, Object.keys(Options.entries));
    return new InvalidOptionsError(field, close === undefined ? "there is no such option" : `there is no such option; is ${close} meant?`);
  }
  if (isTopLevel && issue.received === "undefined") return new InvalidOptionsError(field);
  return new InvalidOptionsError(field, issue.kind === "validation" ? issue.message : `it is ${issue.received}, not ${issue.expected}`);
}
