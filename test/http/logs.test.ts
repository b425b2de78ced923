import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, makeMisbehavingEngine, makeModels, startLemonade, type Lemonade } from "../fixtures/index.ts";

let server: Lemonade;
beforeAll(async () => {
  server = await startLemonade();
});
afterAll(async () => await server[Symbol.asyncDispose]());

const cause = async () => await server.post("/api/v1/load", { model_name: "no-such-model-for-the-log" });

describe("the log over HTTP", () => {
  test("a changed level counts at once and for the next start", async () => {
    const response = await server.post("/api/v1/log-level", { level: "debug" });
    expect(await response.json()).toMatchObject({ status: "success", level: "debug" });
    const saved: unknown = JSON.parse(await readFile(join(server.cacheDir, "user_settings.json"), "utf8"));
    expect(saved).toEqual({ log_level: "debug" });
  });

  test("a level that does not exist is refused and changes nothing", async () => {
    const response = await server.post("/api/v1/log-level", { level: "loud" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining("must be one of critical, error") });
  });

  test("the stream of events starts with its headers, then gives each line as one event", async () => {
    const stop = new AbortController();
    const response = await server.fetch("/api/v1/logs/stream", { signal: stop.signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    await cause();
    let seen = "";
    for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      seen += text;
      if (seen.includes("no-such-model-for-the-log")) break;
    }
    const event = seen.split("\n\n").find((part) => part.includes("no-such-model-for-the-log"));
    expect(JSON.parse(event?.replace(/^data: /, "") ?? "")).toMatchObject({ level: "debug", source: "http" });
    stop.abort();
  });

  test("the lines of one model's engine can be followed alone, as events and over a web socket", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain", "other"]);
    const engine = await makeMisbehavingEngine(workspace, [{ says: ["the first to speak"] }, { says: ["the second to speak"] }]);
    const flags = [...engine.flags, ...models.flags, "--max-loaded-models", "2", "--log-level", "trace"];
    await using own = await startLemonade({ workspace, flags, env: engine.env });
    for (const model_name of ["other", "plain"]) expect((await own.post("/api/v1/load", { model_name })).status).toBe(200);
    const response = await own.fetch("/api/v1/logs/stream?model=plain&level=trace");
    let seen = "";
    for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      seen += text;
      if (seen.includes("the second to speak")) break;
    }
    const sources = [...seen.matchAll(/"source":"([^"]*)"/g)].map(([, source]) => source);
    expect(new Set(sources)).toEqual(new Set(["plain"]));
    expect(seen).not.toContain("the first to speak");
    const socket = new WebSocket(`${own.url.replace("http", "ws")}/api/v1/logs/ws?model=other&level=trace`);
    const first = await new Promise<string>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
      socket.addEventListener("error", () => reject(new Error("the web socket failed")));
    });
    expect(first).toMatch(/^\S+ \S+ other: /);
    socket.close();
  });

  test("the web socket gives one text frame per line, those that were kept first", async () => {
    await cause();
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v1/logs/ws?level=debug`);
    const frame = await new Promise<string>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => {
        if (String(data).includes("no-such-model-for-the-log")) resolve(String(data));
      });
      socket.addEventListener("error", () => reject(new Error("the web socket failed")));
    });
    expect(frame).toMatch(/^\d{4}-\d\d-\d\dT\S+ debug http: .*\n$/);
    socket.close();
  });

  test.each([
    ["a page of another site", { origin: "https://evil.example" }, true],
    ["whoever presents a wrong key", { authorization: "Bearer wrong" }, true],
    ["a page of this machine", { origin: "http://localhost:3000" }, false],
  ])("of the web socket %s hears what it may", async (_who, headers, isRefused) => {
    await using keyed = await startLemonade({ env: { LEMONADE_API_KEY: "secret" } });
    const socket = new WebSocket(`${keyed.url.replace("http", "ws")}/api/v1/logs/ws`, {
      headers: { authorization: "Bearer secret", ...headers },
    });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.addEventListener("open", () => resolve(true));
      socket.addEventListener("error", () => resolve(false));
    });
    expect(isOpen).toBe(!isRefused);
    socket.close();
  });

  test("a plain request to the web socket's path says what it is", async () => {
    const response = await server.fetch("/api/v1/logs/ws");
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining("web socket") });
  });
});
