import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { findMarked } from "./marked-processes.ts";
import { isSameProcess, processIdentity } from "./process-identity.ts";
import { killGroup, killProcess } from "./signal-group.ts";
import { writeFileAtomic } from "./write-file-atomic.ts";

const ProcessRecord = v.object({
  pid: v.number(),
  identity: v.string(),
  parentPid: v.number(),
  parentIdentity: v.string(),
  command: v.string(),
  /** In the environment of the child and of all that it forks. */
  mark: v.optional(v.string()),
});
type ProcessRecord = v.InferOutput<typeof ProcessRecord>;

/** The kernel takes back many gigabytes of memory in this time; one that it cannot end at all, stuck in a driver, is left to it. */
const GONE_MS = 2000;
const POLL_MS = 5;

/**
 * Remembers on disk which children we started, so that the next start can end what a killed parent left behind, and nothing else:
 * a process counts as ours only when pid and start time both match, or when it carries the mark of a child of ours.
 */
export class ProcessRecords {
  readonly #directory: string;
  #own: Promise<string | undefined> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async add(pid: number, { command, mark }: { command: string; mark: string }): Promise<void> {
    this.#own ??= processIdentity(process.pid);
    const [identity, parentIdentity] = await Promise.all([processIdentity(pid), this.#own]);
    if (identity === undefined || parentIdentity === undefined) return; // Already gone: nothing to remember.
    await mkdir(this.#directory, { recursive: true });
    const record = { pid, identity, parentPid: process.pid, parentIdentity, command, mark } satisfies ProcessRecord;
    await writeFileAtomic(this.#path(pid), JSON.stringify(record));
  }

  async remove(pid: number): Promise<void> {
    await rm(this.#path(pid), { force: true });
  }

  /** Ends every recorded process whose parent is gone, with all that it has forked. Returns the commands that were ended. */
  async reapLeftovers(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const orphans: ProcessRecord[] = [];
    for (const path of names.filter((name) => name.endsWith(".json")).map((name) => join(this.#directory, name))) {
      const record = await readRecord(path);
      if (record !== undefined && (await isSameProcess(record.parentPid, record.parentIdentity))) continue;
      if (record !== undefined) orphans.push(record);
      else await rm(path, { force: true });
    }
    const ended = await endAll(orphans);
    for (const { pid } of orphans) await this.remove(pid);
    return ended;
  }

  #path(pid: number): string {
    return join(this.#directory, `${pid}.json`);
  }
}

/** A killed engine holds its port and its memory for a moment more, which the next one needs. */
async function endAll(orphans: readonly ProcessRecord[]): Promise<string[]> {
  const ended = new Set<ProcessRecord>();
  for (const deadline = Date.now() + GONE_MS; Date.now() < deadline;) {
    const left = await killLeft(orphans);
    if (left.length === 0) break;
    for (const record of left) ended.add(record);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return [...ended].map(({ command }) => command);
}

/** Those of which something lived: the child itself, or what it has forked and left behind. */
async function killLeft(orphans: readonly ProcessRecord[]): Promise<readonly ProcessRecord[]> {
  const marked = await findMarked(orphans.flatMap(({ mark }) => (mark === undefined ? [] : [mark])));
  for (const { pid } of marked) killProcess(pid);
  const left: ProcessRecord[] = [];
  for (const record of orphans) {
    const lives = await isSameProcess(record.pid, record.identity);
    if (lives) killGroup(record.pid, "SIGKILL");
    if (lives || marked.some(({ mark }) => mark === record.mark)) left.push(record);
  }
  return left;
}

async function readRecord(path: string): Promise<ProcessRecord | undefined> {
  try {
    return v.parse(ProcessRecord, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined; // Unreadable: written by something else, so it names no process of ours.
  }
}
