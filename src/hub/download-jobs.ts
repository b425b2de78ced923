import { errorMessage, RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { systemClock, type Clock } from "./clock.ts";
import { deleteFiles, dropPartial } from "./delete-files.ts";
import type { Downloader } from "./download-file.ts";
import { DownloadJob, type DownloadState, type DownloadStatus, type FetchByKeeper, type WhenLeft } from "./download-job.ts";
import type { FileSet } from "./download-set.ts";
import { otherProcess, thisProcess } from "./job-owner.ts";
import { jobIdOf, JobStore, type StoredJob } from "./job-store.ts";

export interface DownloadJobsOptions {
  readonly downloader: Downloader;
  /** Where unfinished jobs are remembered: a folder of our own, not in the shared cache. */
  readonly folder: string;
  readonly clock?: Clock | undefined;
  /** Has other programs fetch what they keep themselves. Without it such a set fails. */
  readonly fetchByKeeper?: FetchByKeeper | undefined;
  /** Registers a model whose files are here, as `start` was asked to. Defaults to nothing. */
  readonly register?: ((entry: ModelEntry) => Promise<void>) | undefined;
  /** Told what goes wrong without stopping a download. */
  readonly onProblem?: ((text: string) => void) | undefined;
  /** Milliseconds since the epoch; for tests. */
  readonly wallClock?: (() => number) | undefined;
}

export interface StartOptions {
  /** A model to register once the files are here. */
  readonly registers?: ModelEntry | undefined;
  /** Aborted when the caller leaves. Without one nobody waits, and the download goes on to its end. */
  readonly signal?: AbortSignal | undefined;
  /** What that means for a download which nobody else wants. Defaults to "goes on". */
  readonly whenLeft?: WhenLeft | undefined;
}

/** Finished jobs stay visible for whoever looks a moment later, the newest of them. */
const FINISHED_KEPT = 20;

/** Reads what an earlier process left unfinished; those jobs are paused until somebody resumes them. */
export async function createDownloadJobs(options: DownloadJobsOptions): Promise<DownloadJobs> {
  const store = new JobStore(options.folder);
  const jobs = new DownloadJobs(options, store);
  await jobs.refresh();
  return jobs;
}

/**
 * The downloads of a server. Nobody owns one: it goes on when those who asked for it have left, unless all of them wanted it paused then,
 * until it is done, or paused, or cancelled. The same files asked for twice are one job.
 */
export class DownloadJobs implements AsyncDisposable {
  readonly #downloader: Downloader;
  readonly #clock: Clock;
  readonly #wallClock: () => number;
  readonly #onProblem: (text: string) => void;
  readonly #fetchByKeeper: FetchByKeeper;
  readonly #register: (entry: ModelEntry) => Promise<void>;
  readonly #store: JobStore;
  readonly #jobs = new Map<string, DownloadJob>();
  #remembering: Promise<void> = Promise.resolve();
  #isDisposed = false;

  /** Use {@link createDownloadJobs}. */
  constructor(options: DownloadJobsOptions, store: JobStore) {
    this.#downloader = options.downloader;
    this.#clock = options.clock ?? systemClock;
    this.#wallClock = options.wallClock ?? Date.now;
    this.#onProblem = options.onProblem ?? (() => {});
    this.#fetchByKeeper =
      options.fetchByKeeper ?? (() => Promise.reject(new RouterError("RECIPE_UNSUPPORTED", "Nobody is here to fetch that")));
    this.#register = options.register ?? (async () => {});
    this.#store = store;
  }

  /** Reads what other processes run, and what they have left unfinished. */
  async refresh(): Promise<void> {
    const before = new Map([...this.#jobs].map(([id, job]) => [id, { job, state: job.state }]));
    const records = await this.#store.readAll();
    for (const record of records) {
      const known = before.get(record.id);
      const isOurs = known !== undefined && known.job.runner === undefined && isUnfinished(known.job);
      const runner = known?.state === "running" ? undefined : await otherProcess(record.owner);
      if (isOurs && runner === undefined) continue;
      const job = this.#newJob(record, runner);
      await job.measure();
      // Somebody may have started or stopped it meanwhile.
      const now = this.#jobs.get(record.id);
      if (now === known?.job && now?.state === known?.state) this.#jobs.set(record.id, job);
    }
    const remembered = new Set(records.map(({ id }) => id));
    for (const [id, { job }] of before) {
      if (job.runner !== undefined && !remembered.has(id) && this.#jobs.get(id) === job) this.#jobs.delete(id);
    }
  }

  /** All jobs, oldest first. */
  list(): readonly DownloadStatus[] {
    return [...this.#jobs.values()].map((job) => job.status);
  }

  get(id: string): DownloadStatus | undefined {
    return this.#jobs.get(id)?.status;
  }

  /**
   * Starts a download, resumes the one of these files that was paused or has failed, or joins the one that runs. One that is started
   * again is for this caller's model: whoever waited before was told that it had stopped.
   */
  async start(label: string, set: FileSet, { registers, signal, whenLeft = "goes on" }: StartOptions = {}): Promise<DownloadStatus> {
    const id = jobIdOf(set);
    let before = this.#jobs.get(id);
    // One that is just ending cannot be joined.
    for (; before?.state === "running" && !before.canBeJoined; before = this.#jobs.get(id)) await before.settled();
    // From here on to the end of the run's beginning nothing is awaited: of two callers one begins and one joins.
    if (this.#isDisposed) throw new RouterError("SHUTTING_DOWN", "The server is shutting down");
    const job = before?.canBeJoined ? before : this.#begin({ id, label, set, registers: [] }, before);
    if (registers) job.alsoRegister(registers);
    job.addWaiter(signal, whenLeft);
    // A process that dies in the middle leaves a job that can be resumed.
    await this.#remember(job, "running");
    // What a newer commit has no use for would lie there for ever.
    if (before && before !== job && before.runner === undefined) await this.#dropPartials(before.set);
    return job.status;
  }

  #begin(stored: Omit<StoredJob, "createdMs">, before: DownloadJob | undefined): DownloadJob {
    const job = this.#newJob({ ...stored, createdMs: before && isUnfinished(before) ? before.createdMs : this.#wallClock() });
    this.#jobs.delete(job.id);
    this.#forgetOld();
    this.#jobs.set(job.id, job);
    void job.run();
    return job;
  }

  /** Stops a job and keeps what has arrived. */
  async pause(id: string): Promise<DownloadStatus> {
    const job = this.#ownJob(id);
    if (job.state === "running") await job.stop("paused");
    return job.status;
  }

  async resume(id: string): Promise<DownloadStatus> {
    const job = this.#ownJob(id);
    const isStopped = job.state === "paused" || job.state === "failed";
    if (isStopped) void job.run();
    // Whoever has it go on wants its end, and does not wait for it.
    job.addWaiter(undefined, "goes on");
    if (isStopped) await this.#remember(job, "running");
    return job.status;
  }

  /** Has a job register one model less. Resolves to those that it still will. */
  async withdraw(id: string, model: string): Promise<readonly ModelEntry[]> {
    const job = this.#ownJob(id);
    if (job.doNotRegister(model)) await this.#remember(job, job.state);
    return job.registers;
  }

  /** Stops a job for one who waits for it, unless others want it too. */
  async leave(id: string): Promise<DownloadStatus> {
    return this.#job(id).isWantedByOthers ? this.#job(id).status : await this.pause(id);
  }

  /** Stops a job, forgets it and drops what has arrived of unfinished files. */
  async cancel(id: string): Promise<DownloadStatus> {
    const job = this.#ownJob(id);
    if (job.state === "done") return job.status;
    await job.stop("cancelled");
    const { repo, keeper } = job.set;
    await this.#dropPartials(job.set);
    const isWanted = (blob: string): boolean => this.wants(repo, blob);
    if (keeper === undefined) await deleteFiles(repo, [], { cacheDir: this.#cacheDir, clock: this.#clock, isWanted });
    return job.status;
  }

  /** The unfinished jobs of a repository. */
  unfinished(repo: string): readonly DownloadJob[] {
    return [...this.#jobs.values()].filter((job) => isUnfinished(job) && job.set.repo === repo);
  }

  /** The model of this id that will be registered when its download is done. */
  awaited(id: string): ModelEntry | undefined {
    const waiting = [...this.#jobs.values()].filter(isUnfinished).flatMap((job) => job.registers);
    return waiting.find((entry) => entry.id === id);
  }

  /** True while some job means to finish this blob: what deletes models leaves its partial file alone. */
  wants(repo: string, blob: string): boolean {
    return this.unfinished(repo).some(({ set }) => set.files.some(({ content }) => content?.hex === blob));
  }

  /**
   * Yields the state of a job now and after each change, at most ten times a second while it runs, until it no longer does. A slow
   * reader gets the latest state, not all of them. Leaving does not stop the job.
   */
  async *watch(id: string, signal?: AbortSignal): AsyncGenerator<DownloadStatus> {
    const job = this.#job(id);
    let changed = Promise.withResolvers<void>();
    const leave = job.listen(() => changed.resolve());
    const onAbort = (): void => changed.resolve();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { status } = job;
        yield status;
        if (status.state !== "running") return;
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      leave();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Waits until a job is done.
   * @throws {@link RouterError} its own error when it fails, `DOWNLOAD_STOPPED` when it is paused or cancelled.
   */
  async wait(id: string, signal?: AbortSignal): Promise<DownloadStatus> {
    let last: DownloadStatus | undefined;
    for await (const status of this.watch(id, signal)) last = status;
    if (last?.state === "done") return last;
    const { error, state, label } = last ?? this.#job(id).status;
    if (error) throw new RouterError(error.code, error.message, { hint: error.hint });
    throw new RouterError("DOWNLOAD_STOPPED", `The download of ${label} was ${state}`);
  }

  /** Pauses what runs; the next process finds it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const running = [...this.#jobs.values()].filter(({ state }) => state === "running");
    await Promise.all(running.map((job) => job.stop("paused")));
  }

  #job(id: string): DownloadJob {
    const job = this.#jobs.get(id);
    if (job) return job;
    throw new RouterError("DOWNLOAD_NOT_FOUND", `There is no download ${id}`);
  }

  /** A job that this process may do something to. */
  #ownJob(id: string): DownloadJob {
    const job = this.#job(id);
    if (job.runner === undefined) return job;
    throw new RouterError("DOWNLOAD_ELSEWHERE", `Another process (${job.runner}) runs the download of ${job.status.label}`, {
      hint: "Stop it there, with Ctrl-C or kill -INT; then it can be resumed or cancelled here.",
    });
  }

  #newJob(stored: StoredJob, runner?: number): DownloadJob {
    return new DownloadJob(stored, {
      runner,
      downloader: this.#downloader,
      clock: this.#clock,
      register: this.#register,
      fetchByKeeper: this.#fetchByKeeper,
      remember: (job, state) => this.#remember(job, state),
    });
  }

  get #cacheDir(): string {
    return this.#downloader.client.settings.cacheDir;
  }

  /** Drops what has arrived of unfinished files that no job wants. */
  async #dropPartials({ repo, files }: FileSet): Promise<void> {
    for (const { content } of files) {
      if (content && !this.wants(repo, content.hex)) await dropPartial(this.#cacheDir, repo, content.hex, this.#clock);
    }
  }

  /** One after the other: the beginning of a short job must not be written after its end. */
  #remember(job: DownloadJob, state: DownloadState): Promise<void> {
    this.#remembering = this.#remembering.then(() => this.#writeDown(job, state));
    return this.#remembering;
  }

  /** A download must not fail because it cannot be remembered. */
  async #writeDown(job: DownloadJob, state: DownloadState): Promise<void> {
    try {
      // What another process runs too is remembered by that one.
      if ((await otherProcess((await this.#store.read(job.id))?.owner)) !== undefined) return;
      if (state === "done" || state === "cancelled") await this.#store.remove(job.id);
      else await this.#store.write(state === "running" ? { ...job.stored, owner: await thisProcess() } : job.stored);
    } catch (error) {
      this.#onProblem(`The download of ${job.status.label} cannot be resumed after a restart: ${errorMessage(error)}`);
    }
  }

  #forgetOld(): void {
    const over = [...this.#jobs.values()].filter(({ state }) => state === "done" || state === "cancelled");
    for (const job of over.slice(0, Math.max(0, over.length - FINISHED_KEPT))) this.#jobs.delete(job.id);
  }
}

function isUnfinished({ state }: DownloadJob): boolean {
  return state === "running" || state === "elsewhere" || state === "paused" || state === "failed";
}
