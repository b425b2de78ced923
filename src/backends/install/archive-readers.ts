import { createReadStream } from "node:fs";
import { pipeline, Readable, Transform } from "node:stream";
import { text } from "node:stream/consumers";
import { crc32, createGunzip } from "node:zlib";
import type { TarHeader } from "modern-tar";
import type { Entry, ZipFile } from "yauzl";
import type { ArchiveEntry } from "./archive-entry.ts";

export type ArchiveFormat = "zip" | "tar.gz" | "tar.xz";

export interface ReadEntry extends ArchiveEntry {
  /** The content, to be read to its end or not at all before the next entry is asked for. */
  open(): Promise<Readable>;
}

/** The format that a file name promises; `undefined` for one that we cannot unpack. */
export function archiveFormat(name: string): ArchiveFormat | undefined {
  if (/\.zip$/i.test(name)) return "zip";
  if (/\.(tar\.gz|tgz)$/i.test(name)) return "tar.gz";
  return /\.(tar\.xz|txz)$/i.test(name) ? "tar.xz" : undefined;
}

/** Entries of an archive in file order. The libraries are loaded here, for nothing but an installation needs them. */
export async function* readArchive(path: string, format: ArchiveFormat): AsyncGenerator<ReadEntry> {
  if (format === "zip") yield* readZip(path);
  else yield* readTar(path, format);
}

async function* readTar(path: string, format: "tar.gz" | "tar.xz"): AsyncGenerator<ReadEntry> {
  const { createTarDecoder } = await import("modern-tar");
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  try {
    const bytes = format === "tar.gz" ? gunzip(file) : await unXz(file);
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      let isOpened = false;
      const open = (): Promise<Readable> => {
        isOpened = true;
        return Promise.resolve(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])); // Node's own name for the same type.
      };
      yield { ...describeTarEntry(header), open };
      // The decoder waits for every body to be consumed.
      if (!isOpened) await body.cancel();
    }
  } finally {
    file.destroy();
  }
}

function gunzip(file: Readable): ReadableStream<Uint8Array> {
  const unpacked = createGunzip();
  // pipe() does not pass errors on.
  file.once("error", (error) => unpacked.destroy(error));
  return toWeb(file.pipe(unpacked));
}

async function unXz(file: Readable): Promise<ReadableStream<Uint8Array>> {
  const { XzReadableStream } = await import("xz-decompress");
  return new XzReadableStream(toWeb(file));
}

const toWeb = (stream: Readable): ReadableStream<Uint8Array> => Readable.toWeb(stream) as ReadableStream<Uint8Array>;

function describeTarEntry(header: TarHeader): ArchiveEntry {
  const kinds: Partial<Record<NonNullable<TarHeader["type"]>, ArchiveEntry["kind"]>> = {
    file: "file",
    directory: "directory",
    symlink: "symlink",
    link: "hardlink",
  };
  const kind = kinds[header.type ?? "file"] ?? "other";
  return { path: header.name, kind, mode: header.mode ?? 0, sizeBytes: header.size, target: header.linkname };
}

async function* readZip(path: string): AsyncGenerator<ReadEntry> {
  const { openPromise } = await import("yauzl");
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) yield await describeZipEntry(zip, entry);
  } finally {
    zip.close();
  }
}

const FILE_TYPE_MASK = 0o170000;
const FILE_TYPES: Readonly<Record<number, ArchiveEntry["kind"]>> = { 0o100000: "file", 0o040000: "directory", 0o120000: "symlink" };
/** No file system has longer link targets. */
const MAX_TARGET_BYTES = 4096;

async function describeZipEntry(zip: ZipFile, entry: Entry): Promise<ReadEntry> {
  if (!entry.canDecodeFileData())
    throw new Error(`The entry ${entry.fileName} is encrypted or packed in a way that only few programs read`);
  // Archives made on Unix carry the file's mode in the upper half; others leave it 0, and a name that ends in a slash is a folder.
  const unixMode = entry.externalFileAttributes >>> 16;
  const typeBits = unixMode & FILE_TYPE_MASK;
  const isDirectory = entry.fileName.endsWith("/");
  const kind = isDirectory ? "directory" : typeBits === 0 ? "file" : (FILE_TYPES[typeBits] ?? "other");
  const open = async (): Promise<Readable> => checkCrc(await zip.openReadStreamPromise(entry), entry);
  const target = kind === "symlink" && entry.uncompressedSize <= MAX_TARGET_BYTES ? await text(await open()) : undefined;
  return { path: entry.fileName, kind, mode: unixMode & 0o777, sizeBytes: entry.uncompressedSize, target, open };
}

/** The library checks sizes but leaves the checksum to its users. */
function checkCrc(content: Readable, { fileName, crc32: expected }: Entry): Readable {
  let actual = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      actual = crc32(chunk, actual);
      done(null, chunk);
    },
    flush(done) {
      done(actual === expected ? null : new Error(`The checksum of ${fileName} does not match`));
    },
  });
  // pipeline() passes errors and early ends on in both directions; whoever reads sees the error.
  return pipeline(content, check, () => undefined);
}
