import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";

/** Variables in the `.env` file beside an executable, such as `HIP_VISIBLE_DEVICES`; those that are set already win over them. */
export async function readEnvFile(executable: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(dirname(executable), ".env"), "utf8").catch(() => "");
  return Object.fromEntries(Object.entries(parseEnv(text)).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
