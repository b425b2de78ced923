import type { Machine } from "./machine.ts";
import type { Budget, ModelRow, Row, Unit } from "./result.ts";
import { perRound, type Summary } from "./summary.ts";

export interface Report {
  readonly machine: Machine;
  readonly commit: string;
  readonly date: string;
  readonly rounds: number;
  readonly placement: string;
  readonly otherLoadPercent: readonly number[];
  readonly loadAverages: readonly number[];
  readonly rows: readonly Row[];
  readonly modelRows: readonly ModelRow[];
}

export interface Verdict {
  readonly text: string;
  readonly isMet: boolean;
}

/** Share of nginx, round by round. */
export function shareOfNginx({ of }: Row): Summary | undefined {
  return of.nginx === undefined || of.lemonade === undefined ? undefined : perRound(of.lemonade, of.nginx, (a, b) => a / b);
}

export function judge(row: Row): Verdict | undefined {
  const { budget, unit, of } = row;
  if (budget === undefined || of.lemonade === undefined) return undefined;
  if ("atMost" in budget) return { text: `≤ ${budget.atMost} ${unit}`, isMet: of.lemonade.median <= budget.atMost };
  return { text: `≥ ${budget.atLeastOfNginx} × nginx`, isMet: isAtLeast(row, budget) };
}

function isAtLeast(row: Row, budget: Extract<Budget, { atLeastOfNginx: number }>): boolean {
  return (shareOfNginx(row)?.median ?? 0) >= budget.atLeastOfNginx;
}

const HEADINGS = ["what", "direct", "nginx", "lemonade", "lemonade / nginx", "budget", ""] as const;

/** The tables in Markdown, readable as plain text too. */
export function renderTables({ rows, modelRows }: Pick<Report, "rows" | "modelRows">): string {
  return [rows.length > 0 ? [renderServing(rows)] : [], modelRows.length > 0 ? [renderModels(modelRows)] : []].flat().join("\n\n");
}

export function renderServing(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const verdict = judge(row);
    const share = shareOfNginx(row);
    const cells = (["direct", "nginx", "lemonade"] as const).map((target) => renderSummary(row.of[target], row.unit));
    return [row.what, ...cells, share === undefined ? "" : renderNumber(share.median, "ratio"), verdict?.text ?? "", mark(verdict)];
  });
  return renderTable(HEADINGS, lines);
}

const MODEL_HEADINGS = ["what", "curl", "curl, sync, sha256sum", "hf download", "lemonade", "budget", ""] as const;

export function renderModels(rows: readonly ModelRow[]): string {
  const lines = rows.map((row) => {
    const cells = (["curl", "verified", "hf", "lemonade"] as const).map((contender) => renderSummary(row.of[contender], row.unit));
    const verdict = judgeModels(row);
    return [row.what, ...cells, verdict?.text ?? "", mark(verdict)];
  });
  return renderTable(MODEL_HEADINGS, lines);
}

export function judgeModels({ budget, unit, of: { curl, hf, lemonade } }: ModelRow): Verdict | undefined {
  if (budget === undefined || lemonade === undefined) return undefined;
  if ("atMost" in budget) return { text: `≤ ${budget.atMost} ${unit}`, isMet: lemonade.median <= budget.atMost };
  const best = Math.min(...[curl, hf].map((other) => other?.median ?? Infinity));
  return { text: `≤ ${budget.atMostOfBest} × the better of curl and hf`, isMet: lemonade.median <= budget.atMostOfBest * best };
}

function renderTable(headings: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const render = (cells: readonly string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [render(headings), render(widths.map((width) => "-".repeat(width))), ...lines.map(render)].join("\n");
}

function mark(verdict: Verdict | undefined): string {
  if (verdict === undefined) return "";
  return verdict.isMet ? "met" : "**missed**";
}

function renderSummary(summary: Summary | undefined, unit: Unit): string {
  if (summary === undefined) return "";
  const [median, min, max] = [summary.median, summary.min, summary.max].map((value) => renderNumber(value, unit));
  return `${median}${unit === "1/s" ? "" : ` ${unit}`} (${min} – ${max})`;
}

function renderNumber(value: number, unit: Unit): string {
  if (unit === "1/s") return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  if (unit === "ratio" || unit === "s" || (unit === "ms" && Math.abs(value) < 10)) return value.toFixed(2);
  return value.toFixed(1);
}

/** Where and how it was measured, as a few lines of text. */
export function renderConditions(report: Report): string {
  const { machine, otherLoadPercent } = report;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const busy = otherLoadPercent.toSorted((a, b) => a - b);
  return [
    `${report.date}, commit ${report.commit}; ${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}; ${versions.join(", ")}.`,
    `Median of ${report.rounds} (smallest – largest). ${report.placement}`,
    `What else the machine did meanwhile: ${busy[busy.length >> 1] ?? 0} % of all cores at the median, ${busy.at(-1) ?? 0} % at most; load averages at the end ${report.loadAverages.join(", ")}.`,
  ].join("\n");
}
