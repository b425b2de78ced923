import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** The sizes of all files in a folder and below; links count as themselves. 0 for a folder that is not there. */
export async function folderBytes(folder: string): Promise<number> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = items.filter((item) => item.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await lstat(join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
