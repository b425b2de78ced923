import type { InstallProgress } from "./install-progress.ts";

/** Progress as a line for a log or a terminal: `compiling 42 %`. */
export function describeProgress({ stage, fraction, bytesDone, bytesTotal, detail }: InstallProgress): string {
  if (fraction !== undefined) return `${stage} ${Math.floor(fraction * 100)} %`;
  if (bytesDone !== undefined) return `${stage} ${megabytes(bytesDone)}${bytesTotal === undefined ? "" : ` of ${megabytes(bytesTotal)}`}`;
  return stage === "waiting" && detail !== undefined ? `${stage}: ${detail}` : stage;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
