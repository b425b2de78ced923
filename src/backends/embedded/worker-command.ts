import { fileURLToPath } from "node:url";

export interface WorkerCommand {
  readonly command: string;
  /** Words before the worker's own arguments. */
  readonly prefix: readonly string[];
}

/** Where the main module of an executable compiled by Bun lies: there is no script on disk to start. */
const COMPILED = /^(?:\/\$bunfs\/|[A-Z]:[/\\]~BUN[/\\])/;

/** How the worker is started: as a script by Bun in a checkout, as a hidden command of itself by a compiled executable. */
export function workerCommand(): WorkerCommand {
  if (COMPILED.test(process.argv[1] ?? "")) return { command: process.execPath, prefix: ["embedded-worker"] };
  return { command: process.execPath, prefix: [fileURLToPath(new URL("./worker/main.ts", import.meta.url))] };
}
