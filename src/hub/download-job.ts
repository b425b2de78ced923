import { errorMessage, RouterError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { Downloader } from "./download-file.ts";
import { DownloadRate } from "./download-rate.ts";
import { downloadSet, presentBytes, type FileProgress, type FileSet } from "./download-set.ts";
import type { JobError, StoredJob } from "./job-store.ts";

export type DownloadState = "running" | "paused" | "failed" | "done" | "cancelled";

/** How fast something comes, and how long it will take; undefined until that is known, and while nothing runs. */
interface Speed {
  readonly bytesPerSecond: number | undefined;
  readonly etaSeconds: number | undefined;
}

export interface DownloadStatus extends Speed {
  readonly id: string;
  /** What the download is for, for people: the name of a model. */
  readonly label: string;
  readonly repo: string;
  readonly commit: string;
  readonly state: DownloadState;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly files: readonly (FileProgress & Speed)[];
  /** A file that another program is writing, which we wait for. */
  readonly waitingFor: string | undefined;
  readonly error: JobError | undefined;
  readonly createdMs: number;
}

export interface JobOptions {
  readonly downloader: Downloader;
  readonly clock: Clock;
  /** Writes down how a run has ended; awaited before anybody is told. Must not reject. */
  readonly remember: (job: DownloadJob, state: DownloadState) => Promise<void>;
}

const PROGRESS_EVERY_MS = 100;

/** One set of files on its way: runs, is stopped, runs again; tells all who listen, at most ten times a second while it runs. */
export class DownloadJob {
  readonly id: string;
  readonly createdMs: number;
  readonly #downloader: Downloader;
  readonly #clock: Clock;
  readonly #remember: JobOptions["remember"];
  readonly #listeners = new Set<() => void>();
  #label: string;
  #set: FileSet;
  #state: DownloadState = "paused";
  #error: JobError | undefined;
  #files: FileProgress[];
  #rate = new DownloadRate();
  #fileRates = new Map<string, DownloadRate>();
  #waitingFor: string | undefined;
  #stop: AbortController | undefined;
  #stopAs: "paused" | "cancelled" = "paused";
  #run: Promise<void> = Promise.resolve();
  #isTelling = false;

  constructor(stored: StoredJob, options: JobOptions) {
    this.id = stored.id;
    this.createdMs = stored.createdMs;
    this.#label = stored.label;
    this.#set = stored.set;
    this.#error = stored.error;
    if (stored.error) this.#state = "failed";
    this.#downloader = options.downloader;
    this.#clock = options.clock;
    this.#remember = options.remember;
    this.#files = stored.set.files.map(({ path, sizeBytes }) => ({ path, sizeBytes, bytes: 0 }));
  }

  get state(): DownloadState {
    return this.#state;
  }

  get set(): FileSet {
    return this.#set;
  }

  get stored(): StoredJob {
    return { id: this.id, label: this.#label, set: this.#set, createdMs: this.createdMs, error: this.#error };
  }

  get status(): DownloadStatus {
    const bytes = sum(this.#files.map((file) => file.bytes));
    const totalBytes = sum(this.#files.map((file) => file.sizeBytes));
    return {
      id: this.id,
      label: this.#label,
      repo: this.#set.repo,
      commit: this.#set.commit,
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
    const bytesPerSecond = this.#state === "running" ? rate?.bytesPerSecondAt(this.#clock.now()) : undefined;
    return { bytesPerSecond, etaSeconds: bytesPerSecond ? Math.ceil(missingBytes / bytesPerSecond) : undefined };
  }

  /** Looks at the disk to say how far a job of an earlier process came. */
  async measure(): Promise<void> {
    this.#files = [...(await presentBytes(this.#downloader.client.settings.cacheDir, this.#set))];
  }

  /** Points a job that does not run to a newer commit; what both have in common is not fetched again. */
  update(label: string, set: FileSet): void {
    this.#label = label;
    if (set.commit === this.#set.commit) return;
    this.#set = set;
    this.#files = set.files.map(({ path, sizeBytes }) => ({ path, sizeBytes, bytes: 0 }));
  }

  /** Starts it, or does nothing while it runs. The promise settles when it stops, whatever the outcome, and never rejects. */
  run(): Promise<void> {
    if (this.#state === "running") return this.#run;
    this.#state = "running";
    const stop = new AbortController();
    this.#stop = stop;
    // Whoever hears that a run has ended may start the next one before the first has returned.
    this.#run = this.#run.then(() => this.#runOnce(stop));
    return this.#run;
  }

  /** Stops it where it is and waits until it has stopped. */
  async stop(state: "paused" | "cancelled"): Promise<void> {
    const run = this.#run;
    this.#stopAs = state;
    this.#stop?.abort(new RouterError("DOWNLOAD_STOPPED", `The download of ${this.#label} was ${state}`));
    await run;
    if (this.#state !== "done" && this.#state !== state) await this.#end(state);
  }

  /** Calls back after each change, until the result is called. */
  listen(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  async #runOnce(stop: AbortController): Promise<void> {
    this.#error = undefined;
    this.#rate = new DownloadRate();
    this.#fileRates = new Map(this.#set.files.map(({ path }) => [path, new DownloadRate()]));
    this.#tell();
    try {
      await this.measure();
      await downloadSet(this.#downloader, this.#set, {
        signal: stop.signal,
        onProgress: (file) => this.#progressed(file),
        onWaiting: (path) => {
          this.#waitingFor = path;
          this.#tellSoon();
        },
      });
      await this.#end("done");
    } catch (error) {
      await this.measure().catch(() => {});
      if (stop.signal.aborted) return await this.#end(this.#stopAs);
      const { code, hint } = error instanceof RouterError ? error : { code: "INTERNAL" as const, hint: undefined };
      this.#error = { code, message: errorMessage(error), ...(hint === undefined ? {} : { hint }) };
      await this.#end("failed");
    }
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
    void this.#clock.sleep(PROGRESS_EVERY_MS).then(() => {
      this.#isTelling = false;
      if (this.#state !== "running") return;
      const nowMs = this.#clock.now();
      this.#rate.add(sum(this.#files.map(({ bytes }) => bytes)), nowMs);
      // One that has not begun is not slow.
      for (const { path, bytes } of this.#files) if (bytes > 0) this.#fileRates.get(path)?.add(bytes, nowMs);
      this.#tell();
    });
  }

  async #end(state: DownloadState): Promise<void> {
    // Before the state changes: whoever sees a job that has ended may rely on what is written down.
    await this.#remember(this, state);
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
