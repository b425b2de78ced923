import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic, type LogLevel } from "../platform/index.ts";

/** Saves the log level as the default of the next start, in Lemonade's `user_settings.json`; other keys of the file stay. */
export async function saveLogLevel(cacheDir: string, level: LogLevel): Promise<void> {
  const path = join(cacheDir, "user_settings.json");
  let settings: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) settings = { ...value };
  } catch {
    // No file yet, or a damaged one: it is written anew, as in Lemonade.
  }
  await mkdir(cacheDir, { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify({ ...settings, log_level: level }, undefined, 4)}\n`);
}
