import { expect, test } from "bun:test";
import { ReleaseServer } from "../../../test/fixtures/releases/index.ts";
import { errorMessage } from "../../errors.ts";
import { ReleaseHost } from "./github-releases.ts";

test("the files of a release come with digest and an address at the same host", async () => {
  await using server = await ReleaseServer.start();
  server.publish("o/r", "b1", { "a file.zip": "content" });
  const [asset] = (await new ReleaseHost({ mirrorUrl: `${server.url}/` }).listAssets("o/r", "b1")) ?? [];
  expect(asset).toEqual({
    name: "a file.zip",
    url: `${server.url}/o/r/releases/download/b1/a%20file.zip`,
    sha256: "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
  });
  expect(await (await fetch(asset?.url ?? "")).text()).toBe("content");
});

test("a release from before digests has none", async () => {
  await using server = await ReleaseServer.start();
  server.publish("o/r", "b1", { "a.zip": "content" }, { hasDigests: false });
  expect((await new ReleaseHost({ mirrorUrl: server.url }).listAssets("o/r", "b1"))?.[0]?.sha256).toBeUndefined();
});

test("a release or repository that does not exist is a value", async () => {
  await using server = await ReleaseServer.start();
  server.publish("o/r", "b1", {});
  const host = new ReleaseHost({ mirrorUrl: server.url });
  expect(await host.listAssets("o/r", "b2")).toBeUndefined();
  expect(await host.listAssets("o/none", "b1")).toBeUndefined();
  expect(await host.listAssets("o/r", "b1")).toEqual([]);
});

test("a used-up limit says until when and how to raise it", async () => {
  await using server = await ReleaseServer.start();
  server.apiCallsLeft = 0;
  server.apiLimitResetSeconds = Date.UTC(2026, 0, 1, 13, 37) / 1000;
  const error: unknown = await new ReleaseHost({ mirrorUrl: server.url }).listAssets("o/r", "b1").catch((caught: unknown) => caught);
  expect(errorMessage(error)).toContain("until 13:37 UTC");
  expect(error).toHaveProperty("hint", expect.stringContaining("GITHUB_TOKEN"));
});

test("a host that cannot be reached is named, with what still works", async () => {
  const server = await ReleaseServer.start();
  await server[Symbol.asyncDispose]();
  const error: unknown = await new ReleaseHost({ mirrorUrl: server.url }).listAssets("o/r", "b1").catch((caught: unknown) => caught);
  expect(errorMessage(error)).toStartWith(`Cannot reach ${new URL(server.url).host}`);
  expect(error).toHaveProperty("hint", expect.stringContaining("network"));
});

test("an abort ends a question with its reason", async () => {
  await using server = await ReleaseServer.start();
  const signal = AbortSignal.abort(new Error("stop it"));
  expect(await new ReleaseHost({ mirrorUrl: server.url }).listAssets("o/r", "b1", signal).catch(errorMessage)).toBe("stop it");
});
