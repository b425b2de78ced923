import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createWorkspace, runCommand, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

const NO_CACHE = { "cache-control": "no-cache, no-store, must-revalidate", pragma: "no-cache", expires: "0" };
const expectNotCached = ({ headers }: Response) => expect(Object.fromEntries(headers)).toMatchObject(NO_CACHE);

/** Sends a path as it is: `fetch` would tidy it up. */
async function rawGet(port: number, path: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe("our page", () => {
  let server: Lemonade;
  beforeAll(async () => {
    server = await startLemonade({ env: { LEMONADE_API_KEY: "secret" } });
  });
  afterAll(async () => await server[Symbol.asyncDispose]());

  test("is served without a key, under both addresses and with any query, and never from a cache", async () => {
    for (const path of ["/", "/webapp.html", "/?model=tiny"]) {
      const response = await server.fetch(path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expectNotCached(response);
      expect(await response.text()).toContain("<h1>Lemonade</h1>");
    }
    const head = await server.fetch("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("brings everything it needs, runs nothing from elsewhere and nothing inline", async () => {
    const response = await server.fetch("/");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    const page = await response.text();
    expect(page).not.toMatch(/ on\w+=| style=|<style|<script>/);
    const files = [...page.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map(([, path]) => path);
    expect(new Set(files)).toEqual(new Set(["/static/page.js", "/static/style.css"]));
    for (const path of files) {
      const file = await server.fetch(path ?? "");
      expect([file.status, file.headers.get("x-content-type-options")]).toEqual([200, "nosniff"]);
      expect(file.headers.get("content-type")).toStartWith(path?.endsWith(".js") ? "text/javascript" : "text/css");
      expectNotCached(file);
      expect((await file.text()).length).toBeGreaterThan(100);
    }
  });

  test("has no other files", async () => {
    for (const path of [
      "/static/",
      "/static/none.js",
      "/static/../package.json",
      "/static/%2e%2e/package.json",
      "/static/..%2fpackage.json",
      "/static/__proto__",
    ]) {
      expect(await rawGet(server.port, path)).toStartWith("HTTP/1.1 404");
    }
  });
});

describe("the page of another folder", () => {
  let workspace: Workspace;
  let folder: string;
  let server: Lemonade;
  const PAGE = "<p>{{PLATFORM_JS}}{{SERVER_MODELS_JS}}<script>window.SERVER_PORT = {{SERVER_PORT}};</script>";
  beforeAll(async () => {
    workspace = await createWorkspace();
    folder = join(workspace.folder, "page");
    await mkdir(join(folder, "js"), { recursive: true });
    await writeFile(join(folder, "webapp.html"), PAGE);
    await writeFile(join(folder, "js", "chat.js"), "// {{SERVER_PORT}}");
    await writeFile(join(folder, "logs.html"), "logs");
    await writeFile(join(workspace.folder, "secret"), "root: secret");
    await symlink(join(workspace.folder, "secret"), join(folder, "linked"));
    server = await startLemonade({ workspace, flags: ["--webapp-dir", folder] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  test("is filled with the port that the browser used, the platform and every model", async () => {
    for (const path of ["/", "/webapp.html?model=tiny"]) {
      const response = await server.fetch(path, { headers: { host: "localhost:4321" } });
      expectNotCached(response);
      const page = await response.text();
      expect(page).toContain("window.SERVER_PORT = 4321;");
      expect(page).toMatch(/window\.PLATFORM = "(?:Linux|Windows|Darwin)";/);
      const models = JSON.parse(/window\.SERVER_MODELS = (.*?);<\/script>/.exec(page)?.[1] ?? "") as Record<string, { model_name: string }>;
      const listed = (await server.openai.models.list()).data.map(({ id }) => id);
      expect(Object.keys(models)).toEqual(expect.arrayContaining([...listed, "Qwen3-0.6B-GGUF"]));
      expect(models["tiny"]).toMatchObject({ model_name: "tiny", recipe: "llamacpp" });
    }
    expect(await (await server.fetch("/", { headers: { host: "localhost" } })).text()).toContain("window.SERVER_PORT = 80;");
  });

  test("comes with its other files as they are", async () => {
    expect(await (await server.fetch("/static/webapp.html")).text()).toBe(PAGE);
    expect(await (await server.fetch("/static/logs.html")).text()).toBe("logs");
    const script = await server.fetch("/static/js/chat.js");
    expectNotCached(script);
    expect([script.headers.get("content-type"), await script.text()]).toEqual(["text/javascript; charset=utf-8", "// {{SERVER_PORT}}"]);
    const head = await server.fetch("/static/js/chat.js", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await server.fetch("/static/page.js")).status).toBe(404);
  });

  test("opens nothing outside its folder", async () => {
    const paths = [
      "../secret",
      "..%2fsecret",
      "%2e%2e%2fsecret",
      "js/..%2f..%2fsecret",
      "..%5csecret",
      "linked",
      "/etc/passwd",
      "%2fetc%2fpasswd",
      "js",
      "secret%00.html",
    ];
    for (const path of paths) {
      const answer = await rawGet(server.port, `/static/${path}`);
      expect([path, answer.slice(0, 12)]).toEqual([path, "HTTP/1.1 404"]);
      expect(answer).not.toContain("root:");
    }
  });

  test("may run scripts of its own, but not in another site's frame", async () => {
    expect((await server.fetch("/")).headers.get("content-security-policy")).toBe("frame-ancestors 'self'");
  });

  test("tells a stranger no models", async () => {
    await using locked = await startLemonade({ flags: ["--webapp-dir", folder], env: { LEMONADE_API_KEY: "secret" } });
    expect(await (await locked.fetch("/")).text()).toContain("window.SERVER_MODELS = {};");
    const known = await locked.fetch("/", { headers: { authorization: "Bearer secret" } });
    expect(await known.text()).toContain("Qwen3-0.6B-GGUF");
  });

  test("must exist when the server starts, and have an index", async () => {
    const { code, stderr } = await runCommand(["serve", "--port", "0", "--webapp-dir", join(folder, "none")], { workspace });
    expect([code, stderr]).toEqual([2, expect.stringContaining("--webapp-dir must be a folder")]);
    await using empty = await startLemonade({ env: { LEMONADE_WEBAPP_DIR: join(folder, "js") } });
    expect([(await empty.fetch("/")).status, (await empty.fetch("/live")).status]).toEqual([404, 200]);
  });
});
