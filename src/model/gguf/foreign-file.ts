import { RouterError } from "../../errors.ts";

/** Enough of a file's beginning to say what it is. */
export const SNIFFED_BYTES = 1024;

const ARCHIVES: readonly (readonly [string, string])[] = [
  ["PK\u0003\u0004", "a ZIP archive (or a PyTorch checkpoint)"],
  ["\u001F\u008B", "a gzip archive; unpack it first"],
  ["7z\u00BC\u00AF", "a 7z archive; unpack it first"],
  ["\u00FD7zXZ", "an xz archive; unpack it first"],
  ["(\u00B5/\u00FD", "a zstd archive; unpack it first"],
  ["lmgg", "a GGML file, the format before GGUF, which engines no longer read"],
  ["tjgg", "a GGJT file, the format before GGUF, which engines no longer read"],
  ["fmgg", "a GGMF file, the format before GGUF, which engines no longer read"],
  ["\u0080\u0002", "a Python pickle (a PyTorch checkpoint)"],
];

const quote = (text: string): string => {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
};

/**
 * What a file is that does not begin like a GGUF file, as the end of a sentence "it is …". Most such files are downloads that went
 * wrong: an error page, a pointer, an empty reservation.
 */
export function describeForeignFile(start: Uint8Array): string {
  if (start.length === 0) return "empty";
  const latin1 = String.fromCharCode(...start.subarray(0, SNIFFED_BYTES));
  const archive = ARCHIVES.find(([magic]) => latin1.startsWith(magic));
  if (archive) return archive[1];
  if (start.every((byte) => byte === 0)) return "filled with zeros: space was reserved for a download that never arrived";
  // A safetensors file begins with the length of its JSON header, in eight bytes.
  if (start.length > 9 && start[8] === 0x7b && start[6] === 0 && start[7] === 0)
    return "a safetensors file, which must be converted to GGUF";
  const text = new TextDecoder().decode(start.subarray(0, SNIFFED_BYTES)).replace(/^\uFEFF/, "");
  return describeText(text) ?? `something else (it begins with the bytes ${hex(start.subarray(0, 4))})`;
}

/**
 * Looks at as much of a file's beginning as is here.
 * @throws {@link RouterError} `NOT_A_GGUF`, with a sentence that says what the file is instead.
 */
export function requireGgufStart(name: string, start: Uint8Array): void {
  if (start.length > 0 && "GGUF".startsWith(String.fromCharCode(...start.subarray(0, 4)))) return;
  throw new RouterError("NOT_A_GGUF", `${name} is not a GGUF model: it is ${describeForeignFile(start)}`);
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

function describeText(text: string): string | undefined {
  const pointer = /^version https:\/\/git-lfs[\s\S]*?(?:size (?<size>\d+)|$)/.exec(text);
  if (pointer) {
    const size = pointer.groups?.["size"];
    return `a git-lfs pointer: the file itself${size ? ` (${size} bytes)` : ""} was never fetched; run "git lfs pull" or download it again`;
  }
  if (/^\s*(?:<!--[\s\S]*?-->\s*)?<(?:!doctype\s+html|html|head)/i.test(text)) {
    const title = /<title[^>]*>(?<title>[^<]*)/i.exec(text)?.groups?.["title"];
    return `an HTML page${title?.trim() ? ` ("${quote(title)}")` : ""}: an error or login page was saved in place of the model`;
  }
  // oxlint-disable-next-line no-control-regex
  const isText = !/[\u0000-\u0008\u000E-\u001F\uFFFD]/.test(text.slice(0, -4));
  if (!isText) return undefined;
  if (/^\s*<\?xml/i.test(text)) return `an XML document: ${quote(text)}`;
  if (/^\s*[[{]/.test(text)) return `JSON text: ${quote(text)}`;
  return `text: ${quote(text)}`;
}
