import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { isCommitId, isSafeBlobName, isSafeRepoPath, isSafeRevision, type ModelEntry, type ModelId } from "../model/index.ts";
import { writeFileAtomic } from "../platform/index.ts";
import type { FileSet } from "./download-set.ts";
import type { JobOwner } from "./job-owner.ts";

/** What a failed job says, as data. */
export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A job as it is remembered: everything that is needed to go on. How far it came is on the disk already. */
export interface StoredJob {
  readonly id: string;
  /** What the download is for, for people: the name of a model. */
  readonly label: string;
  readonly set: FileSet;
  readonly createdMs: number;
  /** What the ref named when the job was made: one that has moved since is not moved back. Null when there was none. */
  readonly refBefore?: string | null | undefined;
  /** Models that are registered once the files are here: a download that fails must not leave a name without a model. */
  readonly registers: readonly ModelEntry[];
  readonly error?: JobError | undefined;
  /** While it runs. */
  readonly owner?: JobOwner | undefined;
}

const SafePath = v.pipe(v.string(), v.check(isSafeRepoPath));

const Entry = v.object({
  id: v.pipe(
    v.string(),
    v.minLength(1),
    v.transform((id) => id as ModelId),
  ),
  checkpoint: v.string(),
  recipe: v.string(),
  labels: v.array(v.string()),
  source: v.literal("user"),
  suggested: v.boolean(),
  mmproj: v.optional(v.string()),
});

const Stored = v.object({
  version: v.literal(1),
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{12}$/)),
  label: v.string(),
  createdMs: v.number(),
  refBefore: v.optional(v.nullable(v.string())),
  registers: v.optional(v.array(Entry), []),
  set: v.object({
    repo: SafePath,
    revision: v.pipe(v.string(), v.check(isSafeRevision)),
    commit: v.pipe(v.string(), v.check(isCommitId)),
    keeper: v.optional(v.literal("flm")),
    files: v.array(
      v.object({
        path: SafePath,
        sizeBytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
        content: v.optional(v.object({ algorithm: v.picklist(["sha256", "git-sha1"]), hex: v.pipe(v.string(), v.check(isSafeBlobName)) })),
      }),
    ),
  }),
  error: v.optional(
    v.object({
      code: v.custom<ErrorCode>((code) => typeof code === "string" && code in ERRORS),
      message: v.string(),
      hint: v.optional(v.string()),
    }),
  ),
  owner: v.optional(v.object({ pid: v.pipe(v.number(), v.integer(), v.minValue(1)), identity: v.string() })),
});

/** The same files of one repository are the same job, whichever commit they are taken from. */
export function jobIdOf({ repo, files }: FileSet): string {
  const paths = files.map(({ path }) => path).toSorted();
  return createHash("sha256")
    .update(JSON.stringify([repo, paths]))
    .digest("hex")
    .slice(0, 12);
}

/** Unfinished jobs, one JSON file each. */
export class JobStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Files that are no jobs of ours, or damaged, are passed over. */
  async readAll(): Promise<readonly StoredJob[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const jobs: StoredJob[] = [];
    for (const name of names.filter((name) => /^[0-9a-f]{12}\.json$/.test(name))) {
      const job = await this.read(name.slice(0, -".json".length));
      if (job !== undefined) jobs.push(job);
    }
    return jobs.toSorted((a, b) => a.createdMs - b.createdMs);
  }

  async read(id: string): Promise<StoredJob | undefined> {
    const text = await readFile(this.#path(id), "utf8").catch(() => "");
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Stored), text);
    if (!parsed.success || parsed.output.id !== id) return undefined;
    const { set, ...job } = parsed.output;
    return { ...job, set: { ...set, files: set.files.map((file) => ({ ...file, content: file.content })) } };
  }

  async write(job: StoredJob): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(this.#path(job.id), JSON.stringify({ version: 1, ...job }, undefined, 2));
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
