import { link, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { isSameProcess, processIdentity, writeFileAtomic } from "../platform/index.ts";

const ServerState = v.object({
  pid: v.number(),
  identity: v.string(),
  port: v.number(),
  host: v.string(),
  version: v.string(),
  /** Key with which the command reaches it; the file is for its owner's eyes only. */
  commandKey: v.string(),
});

/** The server that runs on a cache folder: there is one at most. */
export type ServerState = v.InferOutput<typeof ServerState>;

const fileOf = (runDir: string) => join(runDir, "server.json");

/** The running server, or undefined; the file of a killed one does not count, since its pid and start time name nobody. */
export async function findServer(runDir: string): Promise<ServerState | undefined> {
  try {
    const state = v.parse(ServerState, JSON.parse(await readFile(fileOf(runDir), "utf8")));
    return (await isSameProcess(state.pid, state.identity)) ? state : undefined;
  } catch {
    return undefined; // No file, or one that we did not write.
  }
}

/**
 * Declares this process the server of the cache folder, atomically: two that start at once cannot both succeed.
 * @returns The server that is there already, or undefined when the claim holds.
 */
export async function claimServer(runDir: string, server: Omit<ServerState, "pid" | "identity">): Promise<ServerState | undefined> {
  await mkdir(runDir, { recursive: true });
  const state: ServerState = { ...server, pid: process.pid, identity: (await processIdentity(process.pid)) ?? "" };
  const own = join(runDir, `server.${process.pid}.json`);
  await writeFileAtomic(own, JSON.stringify(state), { mode: 0o600 });
  try {
    for (;;) {
      try {
        await link(own, fileOf(runDir)); // Unlike rename, fails when the name exists.
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const other = await findServer(runDir);
      if (other !== undefined) return other;
      await rm(fileOf(runDir), { force: true }); // Left over by a killed server.
    }
  } finally {
    await rm(own, { force: true });
  }
}

export async function releaseServer(runDir: string): Promise<void> {
  if ((await findServer(runDir))?.pid === process.pid) await rm(fileOf(runDir), { force: true });
}

/** The address under which a client on this machine reaches the server. */
export function serverUrl({ host, port }: Pick<ServerState, "host" | "port">): string {
  const isAnyAddress = host === "0.0.0.0" || host === "::";
  const name = isAnyAddress ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
