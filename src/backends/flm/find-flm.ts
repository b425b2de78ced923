import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where Windows keeps programs, and what the installer calls its folder there. */
const PROGRAM_FOLDERS = ["ProgramFiles", "ProgramFiles(x86)", "LOCALAPPDATA"];
const INSTALL_FOLDERS = ["FastFlowLM", "FLM"];

/**
 * Where the `flm` program is: on `PATH`, or on Windows in the folders of its installer, which a process that was started before the
 * installation does not have on its `PATH`.
 */
export async function findFlm(env: Environment, platform: NodeJS.Platform = process.platform): Promise<string | undefined> {
  const isWindows = platform === "win32";
  const name = isWindows ? "flm.exe" : "flm";
  const onPath = (variable(env, "PATH") ?? "").split(isWindows ? ";" : ":").filter(Boolean);
  const programs = isWindows ? PROGRAM_FOLDERS.flatMap((folder) => variable(env, folder) ?? []) : [];
  const installed = programs.flatMap((folder) => INSTALL_FOLDERS.map((inner) => join(folder, inner)));
  for (const folder of [...onPath, ...installed]) {
    const path = join(folder, name);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/** Windows writes the names of variables as it likes: `Path`. */
function variable(env: Environment, name: string): string | undefined {
  return env[name] ?? Object.entries(env).find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1];
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
