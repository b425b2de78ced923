import type { ResolvedOptions } from "./options.ts";

/** Options of the engine whose value is a secret. */
const SECRETS: readonly string[] = ["--api-key", "--hf-token", "-hft"];
const MASK = "***";

/**
 * The argument vector of the engine, without the program: `--alias`, `--model`, `--embeddings`, `--api-key`, `--host`, `--port`, and
 * last the further arguments, which can therefore override all others.
 */
export function toArgv(options: ResolvedOptions): string[] {
  const { alias, model, embeddings, apiKey, host, port, args } = options;
  return [
    "--alias",
    alias,
    "--model",
    model,
    ...(embeddings ? ["--embeddings"] : []),
    ...(apiKey === undefined ? [] : ["--api-key", apiKey]),
    ...(host === undefined ? [] : ["--host", host]),
    "--port",
    String(port),
    ...args,
  ];
}

/** The argument vector as one line for logs: secrets are masked, words with blanks or quotes are quoted. */
export function describeArgv(options: ResolvedOptions): string {
  const words = toArgv(options).map((word, i, all) => {
    if (SECRETS.includes(all[i - 1] ?? "")) return MASK;
    const flag = SECRETS.find((secret) => word.startsWith(`${secret}=`));
    return flag === undefined ? word : `${flag}=${MASK}`;
  });
  return words.map((word) => (/^[^\s"']+$/.test(word) ? word : word.includes('"') ? `'${word}'` : `"${word}"`)).join(" ");
}

/** Where and how the engine will be reached. */
export interface EngineAddress {
  readonly baseUrl: URL;
  readonly apiKey: string | undefined;
}

/** The address of the engine as its arguments say: further arguments may have changed port, host, prefix and key. */
export function engineAddress(options: ResolvedOptions): EngineAddress {
  const argv = toArgv(options);
  const host = connectHost(lastValue(argv, "--host") ?? "127.0.0.1");
  const prefix = lastValue(argv, "--api-prefix") ?? "";
  const keys = lastValue(argv, "--api-key") ?? options.env["LLAMA_API_KEY"];
  return {
    baseUrl: new URL(`http://${host}:${lastValue(argv, "--port")}${prefix}`),
    apiKey: keys?.split(",").find((key) => key !== ""), // The engine takes a list, and any of its keys opens.
  };
}

/** The address of a path of the engine, below its prefix. */
export function urlOf({ baseUrl }: EngineAddress, path: string): URL {
  return new URL(baseUrl.pathname.replace(/\/$/, "") + path, baseUrl);
}

function lastValue(argv: readonly string[], flag: string): string | undefined {
  const at = argv.lastIndexOf(flag);
  return at === -1 ? undefined : argv[at + 1];
}

/** An address that means "all interfaces" cannot be connected to. */
function connectHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
