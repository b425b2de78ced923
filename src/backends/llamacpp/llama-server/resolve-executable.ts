import { join, resolve } from "node:path";
import { isExecutable } from "../find-executable.ts";
import { ExecutableNotFoundError, InvalidOptionsError } from "./errors.ts";
import { defaultVariant, detectTarget, executableName, type TargetTriple } from "./target.ts";

/** Where an executable is looked up: `<lookupPath>/<target>/<variant>/<name>`. */
export interface ResolveExecutableOptions {
  /** Folder that holds one folder for each platform. */
  readonly lookupPath: string;
  /** Defaults to the platform of this process. */
  readonly target?: TargetTriple | undefined;
  /** Build of the engine; any folder name, also one that {@link VARIANTS} does not list. Defaults to {@link defaultVariant}. */
  readonly variant?: string | undefined;
  /** File name. Defaults to `llama-server`, on Windows `llama-server.exe`. */
  readonly name?: string | undefined;
}

/**
 * The absolute path of an engine in a folder of builds. Its libraries are expected beside it.
 * @throws {@link ExecutableNotFoundError} when there is no file that this user may execute.
 * @throws {@link InvalidOptionsError} when a part of the path is no plain name.
 */
export async function resolveExecutable({ lookupPath, target = detectTarget(), ...rest }: ResolveExecutableOptions): Promise<string> {
  const { variant = defaultVariant(target), name = executableName(target) } = rest;
  requirePlainNames({ target, variant, name });
  const path = resolve(join(lookupPath, target, variant, name));
  if (!(await isExecutable(path))) throw new ExecutableNotFoundError(path);
  return path;
}

/** Parts of a path that could lead elsewhere are refused. */
export function requirePlainNames(parts: Readonly<Record<string, string>>): void {
  for (const [field, part] of Object.entries(parts)) {
    if (!/^[^\\/\0]+$/.test(part) || /^\.+$/.test(part)) throw new InvalidOptionsError(field, `${JSON.stringify(part)} is no plain name`);
  }
}
