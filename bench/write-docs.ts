import { join } from "node:path";
import { renderConditions, renderModels, renderServing, type Report } from "./report.ts";

const PAGE = join(import.meta.dir, "..", "docs", "performance.md");

/**
 * Puts the tables that were measured between their marks on the page; a table that was not stays as it is. The words around them are written
 * by people.
 */
export async function writeDocs(report: Report): Promise<string> {
  let page = await Bun.file(PAGE).text();
  const conditions = renderConditions(report);
  if (report.rows.length > 0) page = replaced(page, "bench", `${conditions}\n\n${renderServing(report.rows)}`);
  if (report.modelRows.length > 0) page = replaced(page, "bench models", `${conditions}\n\n${renderModels(report.modelRows)}`);
  await Bun.write(PAGE, page);
  return PAGE;
}

function replaced(page: string, mark: string, text: string): string {
  const [begin, end] = [`<!-- ${mark}: begin -->`, `<!-- ${mark}: end -->`];
  const [head, rest = ""] = page.split(begin, 2);
  const tail = rest.split(end, 2)[1];
  if (head === undefined || tail === undefined) throw new Error(`${PAGE} has lost its marks ${begin} and ${end}`);
  return `${head}${begin}\n${text}\n${end}${tail}`;
}
