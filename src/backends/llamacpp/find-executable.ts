import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { RUN_ORDER } from "./install/release-variants.ts";

/** The file name of the engine on this system: `llama-server`, on Windows `llama-server.exe`. */
export const EXECUTABLE: string = process.platform === "win32" ? "llama-server.exe" : "llama-server";

export interface LlamaCppExecutable {
  readonly path: string;
  /** Folder below `<binDir>/llamacpp`, or `bin` for a named path and `system` for one on PATH. */
  readonly variant: string;
}

export interface FindOptions {
  /** Path named by `--llamacpp-bin` or `LEMONADE_LLAMACPP_BIN`: when given, only this one counts. */
  readonly named: string | undefined;
  /** Variant asked for by `--llamacpp`; `auto` takes the best installed one, then PATH. */
  readonly variant: string;
  readonly binDir: string;
  readonly searchPath: string | undefined;
  /** The user's own executables by variant; each takes the place of an installed one while its file is there. */
  readonly own?: Readonly<Record<string, string>> | undefined;
  /** Variants that can use this machine's hardware, if that is known: asked when several are installed, of which these are taken first. */
  readonly usableVariants?: (() => Promise<readonly string[] | undefined>) | undefined;
}

/** Where a `llama-server` is, looked up in this order: the named path, the install folder, PATH. */
export async function findExecutable(options: FindOptions): Promise<LlamaCppExecutable | undefined> {
  const { named, variant, binDir, searchPath = "", own = {}, usableVariants } = options;
  if (named !== undefined) return (await isExecutable(named)) ? { path: named, variant: "bin" } : undefined;
  if (variant !== "system") {
    const installed: LlamaCppExecutable[] = [];
    for (const candidate of variant === "auto" ? RUN_ORDER : [variant]) {
      const mine = own[candidate];
      const path = mine !== undefined && (await isExecutable(mine)) ? mine : await findInFolder(join(binDir, "llamacpp", candidate));
      if (path !== undefined) installed.push({ path, variant: candidate });
    }
    // A build for a GPU that is not here would run on the CPU, worse than one that was made for it.
    const usable = installed.length > 1 ? await usableVariants?.() : undefined;
    const fitting = usable && installed.find(({ variant: one }) => one === "from-source" || usable.includes(one));
    if (fitting !== undefined) return fitting;
    if (installed[0] !== undefined) return installed[0];
    if (variant !== "auto") return undefined;
  }
  for (const folder of searchPath.split(delimiter).filter(Boolean)) {
    const path = join(folder, EXECUTABLE);
    if (await isExecutable(path)) return { path, variant: "system" };
  }
  return undefined;
}

/** Release archives put the program at the top, in `bin` or in `build/bin`, depending on their age. */
export async function findInFolder(folder: string): Promise<string | undefined> {
  for (const path of [join(folder, EXECUTABLE), join(folder, "build", "bin", EXECUTABLE), join(folder, "bin", EXECUTABLE)]) {
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Whether there is a file at a path that this user may execute. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile(); // A folder may be "executed", too: that means entered.
  } catch {
    return false;
  }
}
