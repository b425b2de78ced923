import { expect, test } from "bun:test";
import { cleanToken, hubSettingsFromEnvironment } from "./settings.ts";

const from = (env: Record<string, string>): ReturnType<typeof hubSettingsFromEnvironment> =>
  hubSettingsFromEnvironment({ HOME: "/home/me", ...env });

test("without variables the hub, the cache and the token file are where huggingface_hub has them", () => {
  expect(from({})).toMatchObject({
    endpoint: "https://huggingface.co",
    token: undefined,
    tokenFile: "/home/me/.cache/huggingface/token",
    cacheDir: "/home/me/.cache/huggingface/hub",
    isOffline: false,
    mayLink: true,
  });
});

test("the cache folder follows HF_HUB_CACHE, then its old name, then HF_HOME, then XDG_CACHE_HOME", () => {
  const all = { HF_HUB_CACHE: "/a", HUGGINGFACE_HUB_CACHE: "/b", HF_HOME: "/c", XDG_CACHE_HOME: "/d" };
  expect(from(all).cacheDir).toBe("/a");
  expect(from({ ...all, HF_HUB_CACHE: "" }).cacheDir).toBe("/b");
  expect(from({ HF_HOME: "/c", XDG_CACHE_HOME: "/d" }).cacheDir).toBe("/c/hub");
  expect(from({ XDG_CACHE_HOME: "/d" }).cacheDir).toBe("/d/huggingface/hub");
});

test("the home folder and variables inside paths are expanded", () => {
  expect(from({ HF_HOME: "~/hf" }).cacheDir).toBe("/home/me/hf/hub");
  expect(from({ HF_HUB_CACHE: "$DISK/hub", DISK: "/mnt" }).cacheDir).toBe("/mnt/hub");
  expect(from({ HF_HUB_CACHE: "/x/${NONE}" }).cacheDir).toBe("/x/${NONE}");
});

test("a token from the environment is trimmed, its file moves with HF_HOME, and stored tokens can be switched off", () => {
  expect(from({ HF_TOKEN: " hf_a\n" }).token).toBe("hf_a");
  expect(from({ HUGGING_FACE_HUB_TOKEN: "hf_b" }).token).toBe("hf_b");
  expect(from({ HF_HOME: "/c" }).tokenFile).toBe("/c/token");
  expect(from({ HF_HOME: "/c", HF_TOKEN_PATH: "/t" }).tokenFile).toBe("/t");
  expect(from({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }).tokenFile).toBeUndefined();
  expect(cleanToken(" \r\n")).toBeUndefined();
});

test("offline is what any of the three variables says, with huggingface_hub's words for yes", () => {
  expect(["1", "ON", "yes", "True"].map((value) => from({ LEMONADE_OFFLINE: value }).isOffline)).toEqual([true, true, true, true]);
  expect(["", "0", "no"].map((value) => from({ LEMONADE_OFFLINE: value }).isOffline)).toEqual([false, false, false]);
  expect(from({ HF_HUB_OFFLINE: "1" }).isOffline && from({ TRANSFORMERS_OFFLINE: "1" }).isOffline).toBe(true);
});

test("a mirror's address loses the slash at its end and must be one, timeouts are given in seconds", () => {
  expect(from({ HF_ENDPOINT: "https://mirror.example/" }).endpoint).toBe("https://mirror.example");
  expect(() => from({ HF_ENDPOINT: "mirror.example" })).toThrow('HF_ENDPOINT must be the address of a hub, but is "mirror.example"');
  expect(() => from({ HF_ENDPOINT: "localhost:8080" })).toThrow("HF_ENDPOINT");
  expect(from({ HF_HUB_ETAG_TIMEOUT: "3" }).metadataTimeoutMs).toBe(3000);
  expect(from({ HF_HUB_DOWNLOAD_TIMEOUT: "nonsense" }).downloadTimeoutMs).toBe(30_000);
});
