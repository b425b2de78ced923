import { join } from "node:path";
import { renderConditions, renderTables, type Report } from "./report.ts";

const PAGE = join(import.meta.dir, "..", "docs", "performance.md");
const [BEGIN, END] = ["<!-- bench: begin -->", "<!-- bench: end -->"];

/** Puts the table between the two marks of the page; the words around it are written by people. */
export async function writeDocs(report: Report): Promise<string> {
  const page = await Bun.file(PAGE).text();
  const [head, rest = ""] = page.split(BEGIN, 2);
  const tail = rest.split(END, 2)[1];
  if (head === undefined || tail === undefined) throw new Error(`${PAGE} has lost its marks ${BEGIN} and ${END}`);
  await Bun.write(PAGE, `${head}${BEGIN}\n${renderConditions(report)}\n\n${renderTables(report)}\n${END}${tail}`);
  return PAGE;
}
