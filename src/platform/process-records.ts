import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { isSameProcess, processIdentity } from "./process-identity.ts";
import { killGroup } from "./signal-group.ts";
import { writeFileAtomic } from "./write-file-atomic.ts";

const ProcessRecord = v.object({
  pid: v.number(),
  identity: v.string(),
  parentPid: v.number(),
  parentIdentity: v.string(),
  command: v.string(),
});

/** The kernel takes back many gigabytes of memory in this time; one that it cannot end at all, stuck in a driver, is left to it. */
const GONE_MS = 2000;
const POLL_MS = 5;

/**
 * Remembers on disk which children we started, so that the next start can end what a killed parent left behind, and nothing else:
 * a process counts as ours only when pid and start time both match.
 */
export class ProcessRecords {
  readonly #directory: string;
  #own: Promise<string | undefined> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async add(pid: number, command: string): Promise<void> {
    this.#own ??= processIdentity(process.pid);
    const [identity, parentIdentity] = await Promise.all([processIdentity(pid), this.#own]);
    if (identity === undefined || parentIdentity === undefined) return; // Already gone: nothing to remember.
    await mkdir(this.#directory, { recursive: true });
    const record = { pid, identity, parentPid: process.pid, parentIdentity, command } satisfies v.InferOutput<typeof ProcessRecord>;
    await writeFileAtomic(this.#path(pid), JSON.stringify(record));
  }

  async remove(pid: number): Promise<void> {
    await rm(this.#path(pid), { force: true });
  }

  /** Ends every recorded process whose parent is gone. Returns the commands that were ended. */
  async reapLeftovers(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const ended: string[] = [];
    for (const name of names.filter((n) => n.endsWith(".json"))) {
      const path = join(this.#directory, name);
      const record = await readRecord(path);
      if (record !== undefined) {
        if (await isSameProcess(record.parentPid, record.parentIdentity)) continue;
        if (await isSameProcess(record.pid, record.identity)) {
          killGroup(record.pid, "SIGKILL");
          await waitUntilGone(record);
          ended.push(record.command);
        }
      }
      await rm(path, { force: true });
    }
    return ended;
  }

  #path(pid: number): string {
    return join(this.#directory, `${pid}.json`);
  }
}

/** A killed engine holds its port and its memory for a moment more, which the next one needs. */
async function waitUntilGone({ pid, identity }: { pid: number; identity: string }): Promise<void> {
  for (const deadline = Date.now() + GONE_MS; Date.now() < deadline && (await isSameProcess(pid, identity));) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function readRecord(path: string): Promise<v.InferOutput<typeof ProcessRecord> | undefined> {
  try {
    return v.parse(ProcessRecord, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined; // Unreadable: written by something else, so it names no process of ours.
  }
}
