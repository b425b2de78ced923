import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LLAMA_SERVER_ERRORS } from "./error-codes.ts";

test("the guide lists every code with its type and status, and no other", async () => {
  const guide = await readFile(join(import.meta.dirname, "../../../../docs/llama-server.md"), "utf8");
  const rows = [...guide.matchAll(/^\| `([\w-]+)` \| `\w+` \|.*?`(\w+)` \|.*?(\d{3}) \|$/gm)];
  const listed = Object.fromEntries(rows.map(([, code, type, status]) => [code, { type, status: Number(status) }]));
  expect(listed).toEqual(LLAMA_SERVER_ERRORS);
});
