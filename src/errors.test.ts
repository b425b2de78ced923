import { expect, test } from "bun:test";
import { ERRORS } from "./errors.ts";

test("docs/errors.md lists every code of the catalogue with its status, and no other", async () => {
  const text = await Bun.file(new URL("../docs/errors.md", import.meta.url)).text();
  const documented = [...text.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \|/gm)].map(([, code, status, retryable]) => [
    code,
    { status: Number(status), retryable: retryable === "yes" },
  ]);
  expect(Object.fromEntries(documented)).toEqual(ERRORS);
});
