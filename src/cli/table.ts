/**
 * A table as Lemonade prints it: a row of headings, a row of dashes, two blanks between columns, no trailing blanks. On a terminal of
 * `maxWidth` columns the first column gives way, so that no row is broken.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  { maxWidth }: { maxWidth?: number | undefined } = {},
): string {
  const widths = headings.map((heading, i) => Math.max(heading.length + 2, ...rows.map((row) => displayWidth(row[i] ?? ""))));
  const excess = maxWidth === undefined ? 0 : widths.reduce((sum, width) => sum + width + 2, -2) - maxWidth;
  const first = widths[0] ?? 0;
  if (excess > 0) widths[0] = Math.max(Math.min(first, MIN_FIRST_WIDTH), first - excess);
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(headings), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

const MIN_FIRST_WIDTH = 16;

function pad(cell: string, width: number): string {
  const excess = displayWidth(cell) - width;
  return excess > 0
    ? `${graphemes(cell)
        .slice(0, width - 1)
        .join("")}…`
    : cell + " ".repeat(-excess);
}

function displayWidth(text: string): number {
  return graphemes(text).length;
}

function graphemes(text: string): string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}
