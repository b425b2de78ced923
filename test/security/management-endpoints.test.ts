import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorkspace, runCommand, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

const SCOPES = ["infer", "manage", "infer,manage"] as const;

let workspace: Workspace;
let server: Lemonade;
const keys = new Map<string, string>();
beforeAll(async () => {
  workspace = await createWorkspace();
  for (const [i, scopes] of SCOPES.entries()) {
    const { stdout } = await runCommand(["keys", "add", `key-${i}`, "--scopes", scopes], { workspace });
    keys.set(scopes, stdout.trim());
  }
  server = await startLemonade({ workspace });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

async function statusOf(method: string, path: string, scopes?: string): Promise<number> {
  const headers: Record<string, string> = scopes === undefined ? {} : { authorization: `Bearer ${keys.get(scopes)}` };
  return (await server.fetch(`/api/v1/${path}`, { method, headers, ...(method === "POST" ? { body: "{}" } : {}) })).status;
}

test("what changes models or shows paths wants the right to manage them, before anything of the request is looked at", async () => {
  for (const [method, path] of [
    ["POST", "add-local-model"],
    ["GET", "migration/incompatible-models"],
    ["POST", "migration/cleanup"],
  ] as const) {
    expect([path, await statusOf(method, path)]).toEqual([path, 401]);
    expect([path, await statusOf(method, path, "infer")]).toEqual([path, 403]);
    expect([path, await statusOf(method, path, "manage")]).toEqual([path, method === "POST" ? 400 : 200]);
  }
});

test("everybody who may ask may halt what is his, and only who manages models everything of one", async () => {
  expect(await statusOf("GET", "halt")).toBe(401);
  expect(await statusOf("GET", "halt", "infer")).toBe(200);
  expect(await statusOf("GET", "halt?model=tiny", "infer")).toBe(403);
  expect(await statusOf("POST", "halt?model=tiny", "infer")).toBe(403);
  expect(await statusOf("GET", "halt?model=tiny", "infer,manage")).toBe(200);
});

test("strangers do not learn what the machine is", async () => {
  expect(await statusOf("GET", "system-info")).toBe(401);
  expect(await statusOf("GET", "system-info", "infer")).toBe(200);
});
