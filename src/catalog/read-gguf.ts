import { closeSync, openSync, readSync } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import {
  ggufFacts,
  labelsOfBeginning,
  parseGgufBeginning,
  parseGgufHeader,
  type GgufFacts,
  type GgufHeader,
  type Parsing,
} from "../model/gguf/index.ts";

/** A page of a vocabulary at a time: bigger reads are not faster, smaller ones cost a system call each. */
const HEADER_READ_BYTES = 128 * 1024;
/** The first read holds everything before the tokenizer in nearly every file. */
const BEGINNING_READ_BYTES = 4096;

async function drive<T>(file: FileHandle, parsing: Parsing<T>, { readBytes }: { readonly readBytes: number }): Promise<T> {
  let buffer = new Uint8Array(readBytes);
  let step = parsing.next();
  while (!step.done) {
    const { offset, bytes } = step.value;
    if (bytes > buffer.length) buffer = new Uint8Array(bytes);
    let filled = 0;
    // A read may return less than the file has; only zero means its end.
    while (filled < bytes) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    // The parser gives up its window before it asks again, so one buffer serves all of them.
    step = parsing.next(buffer.subarray(0, filled));
  }
  return step.value;
}

/**
 * Reads the header of a file and checks that its tensors fit into it.
 * @throws {@link RouterError} `NOT_A_GGUF`, with a sentence that says what the file is instead.
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  return await drive(file, parseGgufHeader({ name: path, fileBytes: size }), { readBytes: HEADER_READ_BYTES });
}

/**
 * The labels that decide how an engine is started, from the first bytes of a file; none for a file that is no model. Read without
 * leaving the thread: a first list asks thousands of files for a page each.
 */
export function readKindLabels(path: string): readonly string[] {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const parsing = parseGgufBeginning({ name: path });
    let window = new Uint8Array(0);
    let start = 0;
    let step = parsing.next();
    while (!step.done) {
      const { offset, bytes } = step.value;
      if (offset < start || offset + bytes > start + window.length) {
        window = new Uint8Array(Math.max(bytes, BEGINNING_READ_BYTES));
        window = window.subarray(0, readSync(file, window, 0, window.length, offset));
        start = offset;
      }
      step = parsing.next(window.subarray(offset - start));
    }
    return labelsOfBeginning(step.value);
  } catch {
    // A damaged file is listed like any other and refused when it is to be loaded, with the reason.
    return [];
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

interface CachedFacts {
  readonly stamp: string;
  readonly facts: GgufFacts;
}

const MOST_CACHED = 256;

/** Facts of models on disk, read again only when one of their files has changed. */
export class FactsCache {
  readonly #cached = new Map<string, CachedFacts>();

  /**
   * @param paths - All files of the model, first shard first.
   * @throws {@link RouterError} `NOT_A_GGUF` when one of them is damaged or something else.
   */
  async read(paths: readonly [string, ...string[]]): Promise<GgufFacts> {
    const [first] = paths;
    const stamps = await Promise.all(paths.map(async (path) => await stat(path)));
    const stamp = stamps.map(({ size, mtimeMs }) => `${size}@${mtimeMs}`).join(" ");
    const cached = this.#cached.get(first);
    this.#cached.delete(first);
    const entry = cached?.stamp === stamp ? cached : { stamp, facts: await readFacts(paths) };
    // Last in the map is last used; the first goes when there are too many.
    this.#cached.set(first, entry);
    const [oldest] = this.#cached.keys();
    if (this.#cached.size > MOST_CACHED && oldest !== undefined) this.#cached.delete(oldest);
    return entry.facts;
  }
}

async function readFacts([first, ...others]: readonly [string, ...string[]]): Promise<GgufFacts> {
  const header = await readGgufHeader(first);
  const rest: GgufHeader[] = [];
  for (const path of others) rest.push(await readGgufHeader(path));
  return ggufFacts([header, ...rest]);
}
