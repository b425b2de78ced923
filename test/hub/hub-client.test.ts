import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { RouterError } from "../../src/errors.ts";
import { HubClient } from "../../src/hub/hub-client.ts";
import { hubSettingsFromEnvironment, type HubSettings } from "../../src/hub/settings.ts";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";
import { instantClock } from "../fixtures/instant-clock.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const GGUF = patternBytes(5000);
const FILES = { "README.md": "# tiny\n", "tiny-Q4_0.gguf": GGUF, "Q8_0/tiny-00001-of-00002.gguf": GGUF };

function settingsFor(endpoint: string, more: Partial<HubSettings> = {}): HubSettings {
  return { ...hubSettingsFromEnvironment({}), endpoint, token: undefined, tokenFile: undefined, ...more };
}

const client = (hub: Hub, more: Partial<HubSettings> = {}, clock = instantClock()): HubClient =>
  new HubClient(settingsFor(hub.endpoint, more), { clock });

async function refusal(promise: Promise<unknown>): Promise<RouterError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof RouterError) return error;
  throw new Error(`expected a refusal, got ${String(error)}`);
}

test("the files of a commit are listed over all pages, with sizes and the hash each is named by", async () => {
  await using hub = await Hub.start({ treePageSize: 2 });
  const repository = hub.add("org/tiny-GGUF", { files: FILES });
  const list = await client(hub).listFiles("org/tiny-GGUF");
  const { content } = repository.resolve("main")?.tree.get("tiny-Q4_0.gguf") ?? {};
  expect(list.commit).toBe(repository.head);
  expect(list.files.map((file) => [file.path, file.sizeBytes])).toEqual([
    ["Q8_0/tiny-00001-of-00002.gguf", 5000],
    ["README.md", 7],
    ["tiny-Q4_0.gguf", 5000],
  ]);
  expect(list.files[2]?.content).toEqual({ algorithm: "sha256", hex: content?.sha256 ?? "" });
  expect(list.files[1]?.content?.algorithm).toBe("git-sha1");
});

test("file metadata is the hub's own, not that of the redirect or of the file server", async () => {
  await using hub = await Hub.start();
  const repository = hub.add("org/tiny-GGUF", { files: FILES });
  const content = repository.resolve("main")?.tree.get("tiny-Q4_0.gguf")?.content;
  const large = await client(hub).fileMetadata("org/tiny-GGUF", "tiny-Q4_0.gguf");
  expect(large).toMatchObject({ commit: repository.head, etag: content?.sha256 ?? "", sizeBytes: 5000 });
  expect(new URL(large.url).origin).toBe(hub.cdnOrigin);
  expect(hub.requestsTo("cdn")).toEqual([]);
  const small = await client(hub).fileMetadata("org/tiny-GGUF", "README.md");
  expect(small).toMatchObject({ commit: repository.head, sizeBytes: 7, content: { algorithm: "git-sha1" } });
  expect(new URL(small.url).pathname).toContain(`/api/resolve-cache/models/org/tiny-GGUF/${repository.head}/`);
});

test("a renamed repository is found under its old name, with the token on every hop of the hub", async () => {
  await using hub = await Hub.start({ tokens: ["secret"] });
  hub.rename(hub.add("org/old-GGUF", { files: FILES, isPrivate: true, readers: ["secret"] }), "org/new-GGUF");
  const { sizeBytes } = await client(hub, { token: "secret" }).fileMetadata("org/old-GGUF", "tiny-Q4_0.gguf");
  expect(sizeBytes).toBe(5000);
  expect(hub.requests.map((request) => request.headers["authorization"])).toEqual(["Bearer secret", "Bearer secret"]);
});

test("the token does not follow a redirect to another origin", async () => {
  await using hub = await Hub.start({ tokens: ["secret"] });
  hub.add("org/tiny-GGUF", { files: FILES });
  const { transport, settings } = client(hub, { token: "secret" });
  const { response } = await transport.send(`${settings.endpoint}/org/tiny-GGUF/resolve/main/tiny-Q4_0.gguf`);
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(GGUF);
  expect(hub.requestsTo("hub").every((request) => request.headers["authorization"] === "Bearer secret")).toBe(true);
  expect(hub.requestsTo("cdn").map((request) => request.headers["authorization"])).toEqual([undefined]);
});

test("a stored token is read anew for each request", async () => {
  await using hub = await Hub.start({ tokens: ["stored"] });
  await using folder = await temporaryFolder();
  hub.add("org/private", { files: FILES, isPrivate: true, readers: ["stored"] });
  const tokenFile = join(folder.path, "token");
  const reader = client(hub, { tokenFile });
  expect((await refusal(reader.repoInfo("org/private"))).code).toBe("HUB_NOT_FOUND");
  await writeFile(tokenFile, "stored\n");
  expect((await reader.repoInfo("org/private")).isPrivate).toBe(true);
});

test("each refusal says what to do about it", async () => {
  await using hub = await Hub.start({ tokens: ["stranger"] });
  hub.add("org/gated", { files: FILES, gated: "manual" });
  hub.add("org/tiny", { files: FILES });
  const anonymous = client(hub);
  const stranger = client(hub, { token: "stranger" });
  const gated = await refusal(anonymous.fileMetadata("org/gated", "tiny-Q4_0.gguf"));
  expect([gated.code, gated.hint]).toEqual([
    "HUB_GATED",
    `Accept the licence at ${hub.endpoint}/org/gated, make a token at ${hub.endpoint}/settings/tokens and set HF_TOKEN.`,
  ]);
  const known = await refusal(stranger.fileMetadata("org/gated", "tiny-Q4_0.gguf"));
  expect([known.code, known.hint]).toEqual([
    "HUB_GATED",
    `Ask for access at ${hub.endpoint}/org/gated with the account that the token belongs to.`,
  ]);
  const missing = await refusal(anonymous.repoInfo("org/none"));
  expect([missing.code, missing.hint]).toEqual([
    "HUB_NOT_FOUND",
    "Check the name; if it is private, set HF_TOKEN or log in with `hf auth login`.",
  ]);
  expect((await refusal(stranger.repoInfo("org/none"))).hint).toContain("the token's account needs access");
  expect((await refusal(client(hub, { token: "revoked" }).repoInfo("org/tiny"))).code).toBe("HUB_UNAUTHORIZED");
  expect((await refusal(anonymous.repoInfo("org/tiny", { revision: "v9" }))).message).toBe("org/tiny has no revision v9");
  expect((await refusal(anonymous.fileMetadata("org/tiny", "nope.gguf"))).message).toBe("org/tiny has no file nope.gguf");
});

test("a busy hub is asked again after the time it names, a broken one with growing waits", async () => {
  await using hub = await Hub.start();
  hub.add("org/tiny", { files: FILES });
  const clock = instantClock();
  const when = (): boolean => true;
  hub.faults.add({ kind: "status", status: 429, headers: { "retry-after": "7" }, times: 1, when });
  hub.faults.add({ kind: "status", status: 503, times: 2, skip: 0, when });
  await client(hub, {}, clock).repoInfo("org/tiny");
  expect(clock.sleepsMs).toEqual([7250, 750, 1500]);
  hub.faults.add({ kind: "status", status: 500, when });
  expect((await refusal(client(hub).repoInfo("org/tiny"))).code).toBe("HUB_UNREACHABLE");
});

test("an unreachable hub and one that does not answer in time are told apart from a wrong name", async () => {
  const unreachable = new HubClient(settingsFor("http://127.0.0.1:9"), { clock: instantClock() });
  expect((await refusal(unreachable.repoInfo("org/tiny"))).code).toBe("HUB_UNREACHABLE");
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const late = new HubClient(settingsFor(endpoint, { metadataTimeoutMs: 30 }), { clock: instantClock() });
  expect((await refusal(late.repoInfo("org/tiny"))).message).toBe(`${endpoint} did not answer within 0.03 s`);
  silent.closeAllConnections();
  silent.close();
});

test("something that is no hub is recognised", async () => {
  const page = createServer((_, response) =>
    response.writeHead(200, { "content-type": "text/html", etag: '"abc"' }).end("<html>log in</html>"),
  );
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const captive = new HubClient(settingsFor(`http://127.0.0.1:${(page.address() as AddressInfo).port}`), { clock: instantClock() });
  expect((await refusal(captive.repoInfo("org/tiny"))).hint).toContain("Check HF_ENDPOINT");
  expect((await refusal(captive.fileMetadata("org/tiny", "a.gguf"))).hint).toContain("Check HF_ENDPOINT");
  page.close();
});

test("offline nothing is asked", async () => {
  await using hub = await Hub.start();
  expect((await refusal(client(hub, { isOffline: true }).repoInfo("org/tiny"))).code).toBe("OFFLINE");
  expect(hub.requests).toEqual([]);
});

test("a search names repositories with what helps to choose", async () => {
  await using hub = await Hub.start();
  hub.add("org/tiny-GGUF", { files: FILES, downloads: 5, likes: 2 });
  hub.add("org/tiny-more-GGUF", { files: FILES, downloads: 50, gated: "auto" });
  expect(await client(hub).search("tiny", { limit: 5 })).toMatchObject([
    { repo: "org/tiny-more-GGUF", downloads: 50, isGated: true },
    { repo: "org/tiny-GGUF", downloads: 5, likes: 2, isGated: false },
  ]);
});

test("a question ends with the reason of its signal", async () => {
  await using hub = await Hub.start();
  const reason = new Error("the client left");
  expect(
    await client(hub)
      .repoInfo("org/tiny", { signal: AbortSignal.abort(reason) })
      .catch((error: unknown) => error),
  ).toBe(reason);
});

test("requests go through the proxy that the environment names, except to hosts it excludes", async () => {
  await using hub = await Hub.start();
  hub.add("org/tiny", { files: FILES });
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request.url ?? "");
    response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const script = `
    import { HubClient } from ${JSON.stringify(join(import.meta.dir, "../../src/hub/hub-client.ts"))};
    import { hubSettingsFromEnvironment } from ${JSON.stringify(join(import.meta.dir, "../../src/hub/settings.ts"))};
    const settings = hubSettingsFromEnvironment(process.env);
    console.log(await new HubClient(settings).repoInfo("org/tiny").then((info) => info.commit, (error) => error.message));`;
  const ask = async (env: Record<string, string>): Promise<string> => {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, ["-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH, HOME, HF_ENDPOINT: hub.endpoint, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1", ...env },
    });
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    return output.trim();
  };
  const HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  expect(await ask({ HTTP_PROXY })).toContain("418");
  expect(seen).toHaveLength(1);
  expect(await ask({ HTTP_PROXY, NO_PROXY: "127.0.0.1" })).toMatch(/^[0-9a-f]{40}$/);
  expect(seen).toHaveLength(1);
  proxy.close();
});

test("a list of files that goes on elsewhere is refused, not cut short", async () => {
  await using hub = await Hub.start();
  const server = createServer((request, response) => {
    const isTree = request.url?.includes("/tree/");
    response.writeHead(200, isTree ? { link: `<${hub.endpoint}/next>; rel="next"` } : {});
    response.end(JSON.stringify(isTree ? [] : { id: "org/tiny-GGUF", sha: "a".repeat(40) }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const asked = new HubClient(settingsFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), { clock: instantClock() });
  const error = await refusal(asked.listFiles("org/tiny-GGUF"));
  expect([error.code, error.message]).toEqual(["DOWNLOAD_FAILED", expect.stringContaining("on another host")]);
  server.close();
  server.closeAllConnections();
});
