import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** One walk over the few thousand files of an installation takes about 20 ms. */
const INTERVAL_MS = 500;

/** Reports the size of the files below `folder` now and then, for a package manager that does not say how far it is. */
export function watchFolderSize(folder: string, onBytes: (bytes: number) => void): Disposable {
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const tick = async (): Promise<void> => {
    const bytes = await folderSize(folder);
    if (isOver) return;
    onBytes(bytes);
    schedule();
  };
  const schedule = (): void => {
    timer = setTimeout(() => void tick(), INTERVAL_MS);
  };
  schedule();
  return {
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let bytes = 0;
  const inodes = new Set<number>();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    // Files vanish and move while a package manager works.
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (found === undefined || inodes.has(found.ino)) continue; // One file under two names: cache and node_modules.
    inodes.add(found.ino);
    bytes += found.size;
  }
  return bytes;
}
