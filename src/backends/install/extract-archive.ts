import { createWriteStream } from "node:fs";
import { chmod, copyFile, lstat, mkdir, readdir, realpath, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorMessage } from "../../errors.ts";
import { checkEntryPath, checkLinkTarget } from "./archive-entry.ts";
import { archiveFormat, readArchive, type ReadEntry } from "./archive-readers.ts";
import { InstallFailedError } from "./install-error.ts";

/** Limits for an archive that nobody trusts, and who hears how far it is. */
export interface ExtractOptions {
  /** Most bytes that the archive may unpack to. Defaults to 16 GiB; the largest engine builds are a few. */
  readonly maxBytes?: number | undefined;
  /** Most entries. Defaults to 20 000. */
  readonly maxEntries?: number | undefined;
  /** Called with the bytes written so far. */
  readonly onProgress?: ((bytesDone: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_MAX_BYTES = 16 * 2 ** 30;
const DEFAULT_MAX_ENTRIES = 20_000;

/**
 * Unpacks an archive (zip, tar.gz, tar.xz) into a folder that is empty and ours, or not there yet. Entries or links that would leave it, devices, and absurd sizes fail the
 * whole archive: one such entry means that nothing in it can be trusted. The folder is then in any state, and the caller removes it.
 * @throws `INSTALL_FAILED` with what is wrong.
 */
export async function extractArchive(archive: string, folder: string, options: ExtractOptions = {}): Promise<void> {
  const format = archiveFormat(archive);
  if (format === undefined) throw new InstallFailedError(`${archive} is no archive of a kind that can be unpacked (zip, tar.gz, tar.xz)`);
  await mkdir(folder, { recursive: true });
  const extraction = new Extraction(await realpath(folder), options);
  try {
    for await (const entry of readArchive(archive, format)) {
      options.signal?.throwIfAborted();
      await extraction.add(entry);
    }
    await extraction.finish();
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason;
    if (error instanceof InstallFailedError) throw error;
    const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
    throw new InstallFailedError(
      isFull ? `The disk is full: cannot unpack ${archive}` : `${archive} is damaged: ${deepestMessage(error)}`,
      {
        cause: error,
        hint: isFull ? "Free some space and try again." : "Try again: it is downloaded anew.",
      },
    );
  }
}

/** Stream adapters wrap what went wrong into errors without words. */
function deepestMessage(error: unknown): string {
  if (error instanceof Error && error.message === "" && error.cause !== undefined) return deepestMessage(error.cause);
  return errorMessage(error);
}

class Extraction {
  readonly #root: string;
  readonly #options: ExtractOptions;
  readonly #symlinks: { readonly path: string; readonly target: string; readonly name: string }[] = [];
  #bytes = 0;
  #entries = 0;

  constructor(root: string, options: ExtractOptions) {
    this.#root = root;
    this.#options = options;
  }

  async add(entry: ReadEntry): Promise<void> {
    if (++this.#entries > (this.#options.maxEntries ?? DEFAULT_MAX_ENTRIES)) throw refuse(entry.path, "is one entry too many");
    const verdict = checkEntryPath(entry.path);
    if (!verdict.ok) throw refuse(entry.path, verdict.reason);
    // The archive's own root, which most tar programs write.
    if (verdict.segments.length === 0) return;
    const path = join(this.#root, ...verdict.segments);
    switch (entry.kind) {
      case "directory":
        await mkdir(path, { recursive: true });
        return;
      case "file":
        await mkdir(dirname(path), { recursive: true });
        await this.#writeFile(entry, path);
        return;
      case "symlink": {
        const target = checkLinkTarget(verdict.segments, entry.target ?? "");
        if (!target.ok) throw refuse(entry.path, target.reason);
        // Made last, so that no later entry can be written through a link.
        this.#symlinks.push({ path, target: entry.target ?? "", name: entry.path });
        return;
      }
      case "hardlink":
        await this.#copyHardLink(entry, path);
        return;
      case "other":
        throw refuse(entry.path, "is neither file nor folder nor link");
    }
  }

  async finish(): Promise<void> {
    for (const { path, target } of this.#symlinks) {
      await mkdir(dirname(path), { recursive: true });
      await symlink(target, path);
    }
    // Only now can a chain of links be followed to where it really leads.
    for (const { path, name } of this.#symlinks) {
      const real = await realpath(path).catch(() => undefined);
      if (real === undefined) throw refuse(name, "leads nowhere");
      if (real !== this.#root && !real.startsWith(this.#root + sep)) throw refuse(name, "leads out of the folder");
    }
  }

  async #writeFile(entry: ReadEntry, path: string): Promise<void> {
    const { maxBytes = DEFAULT_MAX_BYTES, onProgress, signal } = this.#options;
    const count = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#bytes += chunk.length;
        // Counted here, for the size that the archive states may be a lie.
        if (this.#bytes > maxBytes) return done(refuse(entry.path, `exceeds the limit of ${maxBytes} bytes in all`));
        onProgress?.(this.#bytes);
        done(null, chunk);
      },
    });
    // `wx`: two entries of one name would let the second replace what was checked. Never more rights than these, setuid least of all.
    const mode = (entry.mode & 0o111) === 0 ? 0o644 : 0o755;
    const streams = [await entry.open(), count, createWriteStream(path, { flags: "wx", mode })] as const;
    await pipeline(...streams, signal === undefined ? {} : { signal });
  }

  async #copyHardLink(entry: ReadEntry, path: string): Promise<void> {
    const target = checkEntryPath(entry.target ?? "");
    if (!target.ok || target.segments.length === 0) throw refuse(entry.path, "links to something outside");
    const source = join(this.#root, ...target.segments);
    const { size } = await lstat(source);
    this.#bytes += size;
    if (this.#bytes > (this.#options.maxBytes ?? DEFAULT_MAX_BYTES)) throw refuse(entry.path, "exceeds the size limit");
    await mkdir(dirname(path), { recursive: true });
    await copyFile(source, path);
  }
}

const refuse = (path: string, reason: string): InstallFailedError =>
  new InstallFailedError(`The archive is refused: its entry ${JSON.stringify(path.slice(0, 200))} ${reason}`);

/** Release archives hold either their files or one folder with them; afterwards `folder` holds the files in both cases. */
export async function unwrapSingleFolder(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const [only] = entries;
  // `build/bin` and `bin` are layouts of their own, which lookups know.
  if (entries.length !== 1 || only === undefined || !only.isDirectory() || only.name === "build" || only.name === "bin") return;
  // The inner folder may hold an entry of its own name.
  const aside = `${folder}.unwrapped`;
  await rename(join(folder, only.name), aside);
  await rm(folder, { recursive: true });
  await rename(aside, folder);
}

/** Sets the executable bits that zip archives made on Windows lack. */
export async function makeExecutable(path: string): Promise<void> {
  if (process.platform !== "win32") await chmod(path, 0o755);
}
