import page from "../../web/index.html" with { type: "file" };
// oxlint-disable-next-line import/default -- What is imported is the path of the file, not the module in it.
import script from "../../web/page.js" with { type: "file" };
import style from "../../web/style.css" with { type: "file" };

/** Where the files of our page are: on disk in a checkout, else inside the executable. */
export const OWN_PAGE: string = page;

export const OWN_FILES: ReadonlyMap<string, string> = new Map([
  ["page.js", script],
  ["style.css", style],
]);
