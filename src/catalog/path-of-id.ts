import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** The absolute path that a model id means, when it is written as a path: absolute, `./…`, `../…` or `~/…`. */
export function pathOfId(id: string): string | undefined {
  if (id.startsWith("~/")) return join(homedir(), id.slice(2));
  if (isAbsolute(id) || /^\.{1,2}(?:[/\\]|$)/.test(id)) return resolve(id);
  return undefined;
}
