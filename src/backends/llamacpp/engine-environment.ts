import { dirname } from "node:path";
import type { LlamaCppExecutable } from "./find-executable.ts";
import { readEnvFile } from "./install/read-env-file.ts";

/**
 * What a llama-server gets on top of the environment it inherits. The libraries beside the executable are found first, and the child
 * speaks the protocol of llama.cpp's router mode: it reports its state on its output and ends when its standard input closes. Any value
 * of that variable switches it on.
 */
export function engineEnvironment(found: LlamaCppExecutable, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const result: Record<string, string> = { LLAMA_SERVER_ROUTER_PORT: "1" };
  const variable = { linux: "LD_LIBRARY_PATH", darwin: "DYLD_LIBRARY_PATH" }[process.platform as string];
  if (variable !== undefined && found.variant !== "system") {
    result[variable] = [dirname(found.path), env[variable]].filter(Boolean).join(":");
  }
  return result;
}

/** The same, with the variables in the file beside the executable, such as the device of a ROCm build; those that are set already win. */
export async function launchEnvironment(
  found: LlamaCppExecutable,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string>> {
  const beside = Object.entries(await readEnvFile(found.path)).filter(([name]) => env[name] === undefined);
  return { ...Object.fromEntries(beside), ...engineEnvironment(found, env) };
}
