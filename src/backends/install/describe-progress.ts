import type { Log } from "../../platform/index.ts";
import type { InstallProgress, InstallProgressListener } from "./install-progress.ts";

/** Progress as a line for a log or a terminal: `compiling 42 %`. */
export function describeProgress({ stage, fraction, bytesDone, bytesTotal, detail }: InstallProgress): string {
  if (fraction !== undefined) return `${stage} ${Math.floor(fraction * 100)} %`;
  if (bytesDone !== undefined) return `${stage} ${megabytes(bytesDone)}${bytesTotal === undefined ? "" : ` of ${megabytes(bytesTotal)}`}`;
  return stage === "waiting" && detail !== undefined ? `${stage}: ${detail}` : stage;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** Where nobody knows how much there is to fetch, so much is worth a line in the log. */
const LOGGED_BYTES = 20e6;

/** A listener that logs a line for each stage of an installation and each tenth of it. */
export function logProgress(log: Log, name: string): InstallProgressListener {
  let said = "";
  return (progress) => {
    const { stage, fraction, bytesDone = 0 } = progress;
    const step = `${stage} ${Math.floor(fraction === undefined ? bytesDone / LOGGED_BYTES : fraction * 10)}`;
    if (step !== said) log.info("install", `${name}: ${describeProgress(progress)}`);
    said = step;
  };
}
