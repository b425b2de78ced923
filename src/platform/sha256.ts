/** SHA-256 of a text's UTF-8 bytes, 32 bytes. */
export function sha256(text: string): Buffer {
  return nodeCrypto().createHash("sha256").update(text).digest();
}

/** `node:crypto`, not imported: a server that hashes nothing yet starts 6 ms sooner and 6 MB smaller without it. */
export function nodeCrypto(): typeof import("node:crypto") {
  return process.getBuiltinModule("node:crypto");
}
