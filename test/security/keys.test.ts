import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, runCommand, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

let workspace: Workspace;
let server: Lemonade;
const keys: Record<string, string> = {};

const command = async (...words: string[]) => await runCommand(words, { workspace });
const withKey = (name: string): RequestInit => ({ headers: { authorization: `Bearer ${keys[name]}`, "content-type": "application/json" } });

beforeAll(async () => {
  workspace = await createWorkspace();
  for (const scopes of ["infer", "manage", "admin"])
    keys[scopes] = (await command("keys", "add", `for-${scopes}`, "--scopes", scopes)).stdout.trim();
  keys["both"] = (await command("keys", "add", "for-both", "--scopes", "infer,manage")).stdout.trim();
  server = await startLemonade({ workspace });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

describe("API keys", () => {
  test("are printed once and stored as hashes in a file of the owner alone", async () => {
    const path = join(server.cacheDir, "api_keys.json");
    const text = await readFile(path, "utf8");
    for (const key of Object.values(keys)) expect(text).not.toContain(key);
    expect((await stat(path)).mode & 0o077).toBe(0);
    expect((await command("keys", "list")).stdout).toMatch(/for-infer +infer/);
  });

  test("a request without a key, or with a wrong one, is refused with 401 and told what to do", async () => {
    for (const headers of [{}, { authorization: "Bearer lk-wrong" }, { "x-api-key": "" }]) {
      const response = await server.fetch("/v1/models", { headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { type: "authentication_error", code: "unauthorized" } });
    }
  });

  test("a key is taken from both headers, and from an authorization without the word Bearer", async () => {
    const key = keys["infer"] ?? "";
    for (const headers of [{ authorization: `Bearer ${key}` }, { authorization: key }, { "x-api-key": key }]) {
      expect((await server.fetch("/v1/models", { headers })).status).toBe(200);
    }
  });

  test("a key does what its scopes say and nothing else", async () => {
    const load = (name: string) => server.post("/v1/load", { model_name: "tiny" }, withKey(name));
    expect((await load("infer")).status).toBe(403);
    expect((await load("manage")).status).toBe(200);
    expect((await server.fetch("/v1/models", withKey("manage"))).status).toBe(403);
    expect((await server.post("/v1/log-level", { level: "info" }, withKey("manage"))).status).toBe(403);
    expect((await server.post("/v1/log-level", { level: "info" }, withKey("admin"))).status).toBe(200);
  });

  test("who only asks models changes none: no reading of folders anew, no adapter, slot or property of an engine", async () => {
    const body = { method: "POST", body: JSON.stringify({ model: "tiny" }) };
    const list = { method: "POST", body: "[]" };
    for (const [path, init] of [
      ["/models?reload=1", {}],
      ["/v1/models?reload=1", {}],
      ["/lora-adapters?model=tiny", list],
      ["/slots/0?action=erase", body],
      ["/props", body],
    ] as const) {
      const status = async (name: string) => (await server.fetch(path, { ...withKey(name), ...init })).status;
      expect([path, await status("infer")]).toEqual([path, 403]);
      if (init === list || init === body) expect([path, await status("manage")]).not.toEqual([path, 403]);
    }
    expect((await server.fetch("/v1/models?reload=1", withKey("both"))).status).toBe(200);
  });

  test("a page that may use the server reads why its key is refused, and why a feature is", async () => {
    const headers = { origin: "http://localhost:3000", authorization: `Bearer ${keys["infer"]}` };
    for (const path of ["/v1/downloads", "/tools"]) {
      const response = await server.fetch(path, { headers });
      expect([path, response.status]).toEqual([path, 403]);
      expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
    }
  });

  test("health and live stay open, but tell a stranger nothing of the models", async () => {
    await server.post("/v1/load", { model_name: "tiny" }, withKey("manage"));
    expect(await (await server.fetch("/api/v1/health")).json()).toMatchObject({ status: "ok", model_loaded: null, all_models_loaded: [] });
    expect(await (await server.fetch("/api/v1/health", withKey("infer"))).json()).toMatchObject({ model_loaded: "tiny" });
    expect((await server.fetch("/live")).status).toBe(200);
  });

  test("a caller who does not manage models reaches no file by its path", async () => {
    for (const path of [join(server.cacheDir, "models", "tiny.gguf"), ".", "..", "./models", "~/models"]) {
      const refused = await server.post("/v1/chat/completions", { model: path, messages: [] }, withKey("infer"));
      expect([path, refused.status]).toEqual([path, 404]);
      expect(await refused.json()).toMatchObject({ error: { code: "model_not_found" } });
    }
  });

  test("the text of an error shows paths and engine output only to who administers the server", async () => {
    const path = join(server.cacheDir, "not-a-model.gguf");
    await writeFile(path, "<html>404</html>");
    const text = async (name: string) => await (await server.post("/v1/load", { model_name: path }, withKey(name))).text();
    expect(await text("manage")).not.toContain(server.cacheDir);
  });

  test("the command reaches its own server without a key", async () => {
    const { code, stdout } = await command("run", "tiny", "--prompt", "Hello");
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("Hello! I am tiny") });
  });

  test("shutdown is for the command alone, whatever the key", async () => {
    expect((await server.fetch("/internal/shutdown", { method: "POST", ...withKey("admin") })).status).toBe(403);
    expect((await server.fetch("/live")).status).toBe(200);
  });
});

describe("an address that others can reach", () => {
  test("is refused without a key, and the command says what to do", async () => {
    await using fresh = await createWorkspace();
    for (const host of ["0.0.0.0", "127.example.org"]) {
      const { code, stderr } = await runCommand(["serve", "--host", host, "--port", "0"], {
        workspace: fresh,
        env: { LEMONADE_WITHOUT_API_KEY: "0" },
      });
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("lemonade keys add NAME") });
    }
  });

  test("is fine once the user says that no key is wanted", async () => {
    await using open = await startLemonade({ flags: ["--host", "0.0.0.0", "--without-api-key"] });
    expect((await open.fetch("/v1/models")).status).toBe(200);
  });

  test("a damaged key file closes the server instead of opening it", async () => {
    await using fresh = await createWorkspace();
    await mkdir(fresh.cacheDir, { recursive: true });
    await writeFile(join(fresh.cacheDir, "api_keys.json"), "{");
    const { code, stderr } = await runCommand(["serve", "--port", "0"], { workspace: fresh });
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("api_keys.json is damaged") });
  });
});
