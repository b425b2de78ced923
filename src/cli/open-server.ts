import type { LemonadeClient } from "../client/index.ts";
import { directoriesFrom } from "../platform/index.ts";
import { clientOf } from "./running-client.ts";
import { findServer } from "./server-state.ts";

export interface OpenedServer extends AsyncDisposable {
  readonly client: LemonadeClient;
  /** Whether it runs by itself; else it is inside this process and goes with it. */
  readonly isRunning: boolean;
}

/**
 * The server that a command works through: the running one, or, without one, the same application inside this process. So a command is
 * written once and behaves alike in both cases; the application is loaded only where it is needed.
 */
export async function openServer(): Promise<OpenedServer> {
  const running = await findServer(directoriesFrom(process.env).runDir);
  if (running === undefined) return await (await import("./server-inside.ts")).openServerInside();
  return { client: clientOf(running), isRunning: true, [Symbol.asyncDispose]: async () => {} };
}
