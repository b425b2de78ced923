/**
 * A table as Lemonade prints it: a row of headings, a row of dashes, two blanks between columns, no trailing blanks. Where it is wider than
 * `maxWidth` columns, the last column gives way first and the first one, which holds the names, last.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  { maxWidth }: { maxWidth?: number | undefined } = {},
): string {
  const least = headings.map((heading) => heading.length + 2);
  const widths = least.map((width, i) => rows.reduce((widest, row) => Math.max(widest, displayWidth(row[i] ?? "")), width));
  let excess = maxWidth === undefined ? 0 : widths.reduce((sum, width) => sum + width + 2, -2) - maxWidth;
  for (let i = widths.length - 1; i >= 0 && excess > 0; i--) {
    const [width = 0, smallest = 0] = [widths[i], least[i]];
    widths[i] = Math.max(smallest, width - excess);
    excess -= width - (widths[i] ?? 0);
  }
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => fit(cell, widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(headings), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Exactly so wide: padded with blanks, or cut with an ellipsis. */
function fit(cell: string, width: number): string {
  const cut = cutTo(cell, width);
  return isPlain(cut) ? cut.padEnd(width) : cut + " ".repeat(width - displayWidth(cut));
}

/** The text, or as much of it as fits with an ellipsis behind it. */
export function cutTo(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const kept = isPlain(text)
    ? text.slice(0, width - 1)
    : graphemes(text)
        .slice(0, width - 1)
        .join("");
  return `${kept}…`;
}

/** The text, or as much of its end as fits with an ellipsis before it: in paths and checkpoints the end tells more. */
export function cutStartTo(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  const letters = graphemes(text);
  return `…${letters.slice(letters.length - width + 1).join("")}`;
}

function displayWidth(text: string): number {
  return isPlain(text) ? text.length : graphemes(text).length;
}

/** Splitting thousands of plain names into graphemes would take a second. */
function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

function graphemes(text: string): string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}
