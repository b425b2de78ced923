import { execFile } from "node:child_process";

/** vulkaninfo and nvidia-smi take up to a second on a machine that has just woken up; a hung driver would take for ever. */
const TOOL_TIMEOUT_MS = 5000;
const MAX_OUTPUT_BYTES = 8 * 2 ** 20;

export interface ToolOptions {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a tool of the system printed; `undefined` when it is missing, fails or takes too long: each fact has other sources or none. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string | undefined> {
  const { env, timeoutMs = TOOL_TIMEOUT_MS, signal } = options;
  if (signal?.aborted === true) return undefined;
  return await new Promise((resolve) => {
    const settings = { maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true, ...(env === undefined ? {} : { env: { ...env } }) };
    const child = execFile(command, [...args], settings, (error, stdout) => finish(error === null ? stdout : undefined));
    // Not the timeout of execFile: a process that hangs inside a driver cannot even be killed, and its answer is never coming.
    const giveUp = (): void => {
      child.kill("SIGKILL");
      finish(undefined);
    };
    const timer = setTimeout(giveUp, timeoutMs);
    signal?.addEventListener("abort", giveUp, { once: true });
    const finish = (stdout: string | undefined): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
      resolve(stdout);
    };
  });
}
