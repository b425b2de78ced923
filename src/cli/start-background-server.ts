import { spawn } from "node:child_process";
import { open, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RouterError } from "../errors.ts";
import { describeExit } from "../platform/index.ts";
import type { Flags } from "../router/index.ts";
import { findServer, type ServerState } from "./server-state.ts";
import { serverArguments } from "./server-options.ts";

const POLL_MS = 10;
const SHOWN_LINES = 10;

/**
 * Starts `lemonade serve` as a process of its own that outlives this one and writes to a log file; resolves once it listens. When it
 * ends instead, the error carries what it said.
 */
export async function startBackgroundServer(runDir: string, flags: Flags, signal: AbortSignal): Promise<ServerState & { logFile: string }> {
  await mkdir(runDir, { recursive: true });
  const logFile = join(runDir, "server.log");
  const log = await open(logFile, "w");
  try {
    const child = spawn(process.execPath, [...process.execArgv, ...programArguments(), "serve", ...serverArguments(flags)], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      windowsHide: true,
    });
    child.unref();
    let ended: string | undefined;
    child.once("error", (error) => (ended = error.message));
    child.once("exit", (code, exitSignal) => (ended = describeExit({ code, signal: exitSignal })));
    for (;;) {
      const server = await findServer(runDir);
      if (server !== undefined) return { ...server, logFile };
      if (ended !== undefined) throw new RouterError("INTERNAL", `The server did not start (${ended}):\n${await lastLines(logFile)}`);
      if (signal.aborted) child.kill("SIGTERM");
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    await log.close();
  }
}

/** A checkout runs Bun on our main file; in a compiled executable the program is inside. */
function programArguments(): string[] {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  return process.argv[1] !== undefined && process.argv[1].endsWith("main.ts") ? [main] : [];
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text.trim().split("\n").slice(-SHOWN_LINES).join("\n");
}
