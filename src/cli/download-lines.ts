import type { Download } from "../client/index.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { cutStartTo } from "./table.ts";

interface Amount {
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly bytes_per_second: number | null;
  readonly eta_seconds: number | null;
}

/** A download in one line: all files together, and which of them are under way. */
export function downloadLine(download: Download): string {
  const { model, files } = download;
  const current = files.findIndex(isUnderWay);
  const file = files[current];
  const place = files.length < 2 || file === undefined ? "" : ` [${current + 1}/${files.length} ${file.path}]`;
  return `${model} ${amountOf(download)}${noteOf(download)}${place}`;
}

/**
 * The same for a terminal: a bar for all files together, then, where there are several, one for each, as many as there are rows for. Names
 * give way first, so that amounts, speeds and times can always be read.
 */
export function downloadLines(download: Download, { columns, rows }: { columns: number; rows: number }): [string, ...string[]] {
  const { model, files } = download;
  const total = { name: model, amount: amountOf(download) + noteOf(download), of: download };
  const room = Math.max(1, rows - 3);
  // Of more files than there is room for, those that move are of interest.
  const inOrder =
    files.length <= room ? files : [...files.filter(isUnderWay), ...files.filter((file) => !isUnderWay(file) && !isDone(file))];
  const shown = files.length < 2 ? [] : inOrder.slice(0, room);
  const lines = [total, ...shown.map((file) => ({ name: `  ${file.path}`, amount: amountOf(file), of: file }))];
  const amountWidth = Math.max(...lines.map(({ amount }) => amount.length));
  const barWidth = columns >= WIDE_COLUMNS ? 20 : 10;
  const nameRoom = Math.max(LEAST_NAME, columns - 1 - amountWidth - barWidth - 4);
  const nameWidth = Math.min(nameRoom, Math.max(...lines.map(({ name }) => name.length)));
  const [first = "", ...others] = lines.map(
    ({ name, amount, of }) => `${cutStartTo(name, nameWidth).padEnd(nameWidth)} ${bar(of, barWidth)} ${amount}`,
  );
  const hidden = files.length - shown.length;
  return [
    first,
    ...others,
    ...(shown.length > 0 && hidden > 0 ? [`  ${hidden} more files, ${files.filter(isDone).length} of all are here`] : []),
  ];
}

const WIDE_COLUMNS = 90;
const LEAST_NAME = 8;

const isDone = (file: Amount): boolean => file.bytes_done >= file.bytes_total;
const isUnderWay = (file: Amount): boolean => file.bytes_done > 0 && !isDone(file);

function amountOf({ bytes_done, bytes_total, bytes_per_second, eta_seconds }: Amount): string {
  const percent = `${percentOf(bytes_done, bytes_total)} % of ${formatBytes(bytes_total)}`;
  if (bytes_done >= bytes_total) return percent;
  const speed = bytes_per_second === null ? "" : ` ${formatBytes(bytes_per_second)}/s`;
  return `${percent}${speed}${eta_seconds === null ? "" : ` ETA ${formatDuration(eta_seconds)}`}`;
}

function noteOf({ state }: Download): string {
  return state === "waiting" ? " waiting for another program" : "";
}

function percentOf(done: number, total: number): number {
  return total > 0 ? Math.floor((done / total) * 100) : 100;
}

function bar({ bytes_done, bytes_total }: Amount, width: number): string {
  const filled = Math.round((percentOf(bytes_done, bytes_total) / 100) * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
}
