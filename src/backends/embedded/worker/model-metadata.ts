import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { parseGgufHeader, type GgufMetadata } from "../../../model/gguf/index.ts";

/** Read in one go: a header of a few megabytes is a list of tokens, which is skipped string by string. */
const WINDOW_BYTES = 1 << 20;

/** The metadata of a GGUF file. Throws with a sentence when the file is something else. */
export function readModelMetadata(path: string): GgufMetadata {
  const file = openSync(path, "r");
  try {
    const parsing = parseGgufHeader({ name: basename(path), fileBytes: fstatSync(file).size });
    let window = new Uint8Array(WINDOW_BYTES);
    let step = parsing.next();
    while (step.done !== true) {
      const { offset, bytes } = step.value;
      if (bytes > window.length) window = new Uint8Array(bytes);
      const length = readSync(file, window, 0, window.length, offset);
      step = parsing.next(window.subarray(0, length));
    }
    return step.value.metadata;
  } finally {
    closeSync(file);
  }
}

export function textOf(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  return typeof value === "string" ? value : undefined;
}

export function numberOf(metadata: GgufMetadata, key: string): number | undefined {
  const value = metadata.get(key);
  return typeof value === "number" ? value : undefined;
}
