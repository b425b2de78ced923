import { describe, expect, test } from "bun:test";
import type { Download, DownloadedFile } from "../client/index.ts";
import { downloadLine, downloadLines } from "./download-lines.ts";

function file(path: string, bytes_done: number, bytes_total: number, speed: Partial<DownloadedFile> = {}): DownloadedFile {
  return { path, bytes_done, bytes_total, bytes_per_second: null, eta_seconds: null, ...speed };
}

const FILES = [
  file("big-Q4_0-00001-of-00002.gguf", 1e9, 4e9, { bytes_per_second: 20e6, eta_seconds: 150 }),
  file("big-Q4_0-00002-of-00002.gguf", 2e9, 2e9),
  file("config.json", 0, 500),
];

function download(changes: Partial<Download> = {}): Download {
  return {
    id: "1",
    model: "unsloth/big-GGUF:Q4_0",
    repo: "unsloth/big-GGUF",
    state: "running",
    bytes_done: 3e9,
    bytes_total: 6e9,
    bytes_per_second: 25e6,
    eta_seconds: 120,
    error: null,
    files: FILES,
    ...changes,
  };
}

describe("on a terminal", () => {
  test("there is a bar with speed and time left for all files together and for each", () => {
    expect(downloadLines(download(), { columns: 120, rows: 24 })).toEqual([
      "unsloth/big-GGUF:Q4_0          [##########----------] 50 % of 6.00 GB 25 MB/s ETA 2m 00s",
      "  big-Q4_0-00001-of-00002.gguf [#####---------------] 25 % of 4.00 GB 20 MB/s ETA 2m 30s",
      "  big-Q4_0-00002-of-00002.gguf [####################] 100 % of 2.00 GB",
      "  config.json                  [--------------------] 0 % of 1 kB",
    ]);
  });

  test("a single file needs no line of its own", () => {
    expect(downloadLines(download({ files: FILES.slice(0, 1) }), { columns: 120, rows: 24 })).toHaveLength(1);
  });

  test("a narrow one keeps amounts, speeds and times, and of names the end", () => {
    const lines = downloadLines(download(), { columns: 60, rows: 24 });
    expect(lines).toEqual([
      "…-GGUF:Q4_0 [#####-----] 50 % of 6.00 GB 25 MB/s ETA 2m 00s",
      "…00002.gguf [###-------] 25 % of 4.00 GB 20 MB/s ETA 2m 30s",
      "…00002.gguf [##########] 100 % of 2.00 GB",
      "…onfig.json [----------] 0 % of 1 kB",
    ]);
  });

  test("of more files than it has rows for, those on their way are shown and the others counted", () => {
    const files = Array.from({ length: 40 }, (_none, i) => file(`shard-${i}.gguf`, i < 30 ? 10 : i === 35 ? 5 : 0, 10));
    const lines = downloadLines(download({ files }), { columns: 100, rows: 6 });
    expect(lines).toHaveLength(5);
    expect(lines[1]).toContain("shard-35.gguf");
    expect(lines.at(-1)).toBe("  37 more files, 30 of all are here");
  });
});

test("elsewhere one line tells the whole and which file is under way", () => {
  expect(downloadLine(download())).toBe("unsloth/big-GGUF:Q4_0 50 % of 6.00 GB 25 MB/s ETA 2m 00s [1/3 big-Q4_0-00001-of-00002.gguf]");
  expect(downloadLine(download({ state: "waiting" }))).toContain("waiting for another program");
});
