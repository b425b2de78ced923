import { createHash, type Hash } from "node:crypto";

/** What a file must hash to. Git names a file by the SHA-1 of a header and its content, LFS by the SHA-256 of its content. */
export interface ContentName {
  readonly algorithm: "sha256" | "git-sha1";
  readonly hex: string;
}

/** Takes the bytes of a file in order and says whether they are the right ones. */
export class ContentCheck {
  readonly #expected: ContentName;
  readonly #hash: Hash;

  constructor(expected: ContentName, sizeBytes: number) {
    this.#expected = expected;
    this.#hash = createHash(expected.algorithm === "sha256" ? "sha256" : "sha1");
    if (expected.algorithm === "git-sha1") this.#hash.update(`blob ${sizeBytes}\0`);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** May be asked once. */
  matches(): boolean {
    return this.#hash.digest("hex") === this.#expected.hex;
  }
}
