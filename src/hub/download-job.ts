import { errorMessage, RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { readRef } from "./cache-entry.ts";
import type { Clock } from "./clock.ts";
import type { Downloader } from "./download-file.ts";
import { DownloadRate } from "./download-rate.ts";
import { downloadSet, presentBytes, type FileProgress, type FileSet } from "./download-set.ts";
import type { JobError, StoredJob } from "./job-store.ts";

/** `elsewhere`: another process runs it. */
export type DownloadState = "running" | "elsewhere" | "paused" | "failed" | "done" | "cancelled";

/** How fast something comes, and how long it will take; undefined until that is known, and while nothing runs. */
interface Speed {
  readonly bytesPerSecond: number | undefined;
  readonly etaSeconds: number | undefined;
}

export interface DownloadStatus extends Speed {
  readonly id: string;
  /** What the download is for, for people: the name of a model. */
  readonly label: string;
  /** Where it comes from: the address of the hub, and the repository there. */
  readonly endpoint: string;
  readonly repo: string;
  readonly commit: string;
  /** The program that fetches and keeps it itself, under the name `repo`. */
  readonly keeper: FileSet["keeper"];
  readonly state: DownloadState;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly files: readonly (FileProgress & Speed)[];
  /** A file that another program is writing, which we wait for. */
  readonly waitingFor: string | undefined;
  readonly error: JobError | undefined;
  readonly createdMs: number;
}

/** Has another program fetch what it keeps itself. */
export type FetchByKeeper = (
  set: FileSet,
  options: { readonly signal: AbortSignal; readonly onProgress: (file: FileProgress) => void },
) => Promise<void>;

export interface JobOptions {
  readonly fetchByKeeper: FetchByKeeper;
  readonly downloader: Downloader;
  readonly clock: Clock;
  /** Writes down how a run has ended; awaited before anybody is told. Must not reject. */
  readonly remember: (job: DownloadJob, state: DownloadState) => Promise<void>;
  /** Registers a model whose files are here; a job that cannot has failed. */
  readonly register: (entry: ModelEntry) => Promise<void>;
  /** The other process that runs it. */
  readonly runner?: number | undefined;
}

/** What becomes of a download when somebody leaves who waits for it. */
export type WhenLeft = "goes on" | "pauses";

const PROGRESS_EVERY_MS = 100;

/** One set of files on its way: runs, is stopped, runs again; tells all who listen, at most ten times a second while it runs. */
export class DownloadJob {
  readonly id: string;
  readonly createdMs: number;
  readonly set: FileSet;
  readonly #label: string;
  readonly #options: JobOptions;
  readonly #listeners = new Set<() => void>();
  /** Read by the first run: later ones must not move the ref back. */
  #refBefore: string | null | undefined;
  #registers: readonly ModelEntry[];
  #state: DownloadState = "paused";
  /** From the moment on when nobody can join the run any more. */
  #isEnding = false;
  #error: JobError | undefined;
  #files: FileProgress[];
  #rate = new DownloadRate();
  #fileRates = new Map<string, DownloadRate>();
  #waitingFor: string | undefined;
  #stop: AbortController | undefined;
  #stopAs: "paused" | "cancelled" = "paused";
  #run: Promise<void> = Promise.resolve();
  #isTelling = false;
  #waiters = 0;
  /** Somebody wants it who does not wait for it. */
  #isWantedAnyway = false;

  constructor(stored: StoredJob, options: JobOptions) {
    this.id = stored.id;
    this.createdMs = stored.createdMs;
    this.#refBefore = stored.refBefore;
    this.set = stored.set;
    this.#label = stored.label;
    this.#registers = stored.registers;
    this.#error = stored.error;
    if (stored.error) this.#state = "failed";
    if (options.runner !== undefined) this.#state = "elsewhere";
    this.#options = options;
    this.#files = stored.set.files.map(({ path, sizeBytes }) => ({ path, sizeBytes, bytes: 0 }));
  }

  get state(): DownloadState {
    return this.#state;
  }

  /** The other process that runs it, by its number. */
  get runner(): number | undefined {
    return this.#options.runner;
  }

  /** Models that wait for these files to be registered. */
  get registers(): readonly ModelEntry[] {
    return this.#registers;
  }

  get stored(): StoredJob {
    const { id, set, createdMs } = this;
    return { id, label: this.#label, set, createdMs, refBefore: this.#refBefore, registers: this.#registers, error: this.#error };
  }

  get status(): DownloadStatus {
    const bytes = sum(this.#files.map((file) => file.bytes));
    const totalBytes = sum(this.#files.map((file) => file.sizeBytes));
    return {
      id: this.id,
      label: this.#label,
      endpoint: this.#options.downloader.client.settings.endpoint,
      repo: this.set.repo,
      commit: this.set.commit,
      keeper: this.set.keeper,
      state: this.#state,
      bytes,
      totalBytes,
      ...this.#speed(this.#rate, totalBytes - bytes),
      files: this.#files.map((file) => ({ ...file, ...this.#speed(this.#fileRates.get(file.path), file.sizeBytes - file.bytes) })),
      waitingFor: this.#waitingFor,
      error: this.#error,
      createdMs: this.createdMs,
    };
  }

  #speed(rate: DownloadRate | undefined, missingBytes: number): Speed {
    const bytesPerSecond = this.#state === "running" ? rate?.bytesPerSecondAt(this.#options.clock.now()) : undefined;
    return { bytesPerSecond, etaSeconds: bytesPerSecond ? Math.ceil(missingBytes / bytesPerSecond) : undefined };
  }

  /** Looks at the disk to say how far a job of an earlier process came. */
  async measure(): Promise<void> {
    if (this.set.keeper !== undefined) return;
    this.#files = [...(await presentBytes(this.#options.downloader.client.settings.cacheDir, this.set))];
  }

  /** Whether it runs and will go on to the end, so that one more can wait for it. */
  get canBeJoined(): boolean {
    return this.#state === "running" && !this.#isEnding && this.#stop?.signal.aborted !== true;
  }

  /** Has a model registered when the files are here. */
  alsoRegister(entry: ModelEntry): void {
    this.#registers = [...this.#registers.filter(({ id }) => id !== entry.id), entry];
  }

  /** Forgets to register a model; whether it had been asked to. */
  doNotRegister(id: string): boolean {
    const before = this.#registers.length;
    this.#registers = this.#registers.filter((entry) => entry.id !== id);
    return this.#registers.length < before;
  }

  /** Somebody waits for it until the signal is aborted; without one somebody wants it and does not wait. */
  addWaiter(signal: AbortSignal | undefined, whenLeft: WhenLeft): void {
    const leave = (): void => {
      if (whenLeft === "goes on") this.#isWantedAnyway = true;
      else if (this.#waiters === 0 && !this.#isWantedAnyway && this.#state === "running") void this.stop("paused");
    };
    if (signal === undefined || signal.aborted) return leave();
    const run = this.#stop;
    this.#waiters++;
    signal.addEventListener(
      "abort",
      () => {
        // The waiters of a run that has ended are forgotten.
        if (run !== this.#stop) return;
        this.#waiters--;
        leave();
      },
      { once: true, ...(run && { signal: run.signal }) },
    );
  }

  /** Whether it would be missed if one of those who wait gave it up. */
  get isWantedByOthers(): boolean {
    return this.#isWantedAnyway || this.#waiters > 1;
  }

  /** Starts it, or does nothing while it runs. The promise settles when it stops, whatever the outcome, and never rejects. */
  run(): Promise<void> {
    if (this.#state === "running") return this.#run;
    this.#state = "running";
    this.#isEnding = false;
    this.#waiters = 0;
    this.#isWantedAnyway = false;
    this.#stopAs = "paused";
    const stop = new AbortController();
    this.#stop = stop;
    // Whoever hears that a run has ended may start the next one before the first has returned.
    this.#run = this.#run.then(() => this.#runOnce(stop));
    return this.#run;
  }

  /** Settles when nothing runs any more. */
  async settled(): Promise<void> {
    await this.#run;
  }

  /** Stops it where it is and waits until it has stopped. One that is being cancelled stays so. */
  async stop(state: "paused" | "cancelled"): Promise<void> {
    const run = this.#run;
    if (state === "cancelled") this.#registers = [];
    if (this.#stopAs !== "cancelled") this.#stopAs = state;
    this.#stop?.abort(new RouterError("DOWNLOAD_STOPPED", `The download of ${this.#label} was ${state}`));
    await run;
    const isOver = this.#state === "done" || this.#state === "cancelled";
    if (!isOver && this.#state !== this.#stopAs) await this.#end(this.#stopAs);
  }

  /** Calls back after each change, until the result is called. */
  listen(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  async #runOnce(stop: AbortController): Promise<void> {
    this.#error = undefined;
    this.#rate = new DownloadRate();
    this.#fileRates = new Map(this.set.files.map(({ path }) => [path, new DownloadRate()]));
    this.#tell();
    try {
      await this.#fetch(stop.signal);
      await this.#registerAll(stop.signal);
      await this.#end("done");
    } catch (error) {
      await this.measure().catch(() => {});
      if (stop.signal.aborted) return await this.#end(this.#stopAs);
      const { code, hint } = error instanceof RouterError ? error : { code: "INTERNAL" as const, hint: undefined };
      this.#error = { code, message: errorMessage(error), ...(hint === undefined ? {} : { hint }) };
      await this.#end("failed");
    }
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const { downloader, fetchByKeeper } = this.#options;
    const onProgress = (file: FileProgress): void => this.#progressed(file);
    if (this.set.keeper !== undefined) return await fetchByKeeper(this.set, { signal, onProgress });
    await this.measure();
    if (this.#refBefore === undefined) {
      this.#refBefore = await readRef(downloader.client.settings.cacheDir, this.set.repo, this.set.revision);
    }
    const onWaiting = (path: string): void => {
      this.#waitingFor = path;
      this.#tellSoon();
    };
    await downloadSet(downloader, this.set, { refBefore: this.#refBefore, signal, onProgress, onWaiting });
  }

  /** Others may join while one model is being registered; after the last one nobody can. */
  async #registerAll(signal: AbortSignal): Promise<void> {
    for (let [next] = this.#registers; next !== undefined; [next] = this.#registers) {
      const entry = next;
      await this.#options.register(entry);
      signal.throwIfAborted();
      this.#registers = this.#registers.filter((other) => other !== entry);
    }
    this.#isEnding = true;
  }

  #progressed(file: FileProgress): void {
    const index = this.#files.findIndex(({ path }) => path === file.path);
    this.#files[index] = file;
    if (this.#waitingFor === file.path) this.#waitingFor = undefined;
    this.#tellSoon();
  }

  /** The first change is told within a tenth of a second, and what comes meanwhile is told with it. */
  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    void this.#options.clock.sleep(PROGRESS_EVERY_MS).then(() => {
      this.#isTelling = false;
      if (this.#state !== "running") return;
      const nowMs = this.#options.clock.now();
      this.#rate.add(sum(this.#files.map(({ bytes }) => bytes)), nowMs);
      // One that has not begun is not slow.
      for (const { path, bytes } of this.#files) if (bytes > 0) this.#fileRates.get(path)?.add(bytes, nowMs);
      this.#tell();
    });
  }

  async #end(state: DownloadState): Promise<void> {
    this.#isEnding = true;
    // Before the state changes: whoever sees a job that has ended may rely on what is written down.
    await this.#options.remember(this, state);
    this.#state = state;
    this.#waitingFor = undefined;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
