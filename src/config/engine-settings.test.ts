import { expect, test } from "bun:test";
import { engineSettingsFrom } from "./engine-settings.ts";

test("without variables engines come from GitHub, and nothing is assumed", () => {
  expect(engineSettingsFrom({})).toEqual({
    releasesUrl: undefined,
    githubToken: undefined,
    ownLlamaCpp: {},
    isOffline: false,
    isModelFilterOff: false,
    isNpuAssumed: false,
  });
});

test("own executables are known by the variant in the name of their variable; an empty one counts as unset", () => {
  const env = { LEMONADE_LLAMACPP_VULKAN_BIN: "/opt/v/llama-server", LEMONADE_LLAMACPP_CPU_BIN: "", LEMONADE_LLAMACPP_BIN: "/other" };
  expect(engineSettingsFrom(env).ownLlamaCpp).toEqual({ vulkan: "/opt/v/llama-server" });
});

test("a mirror that is no address is refused by the name of its variable", () => {
  expect(() => engineSettingsFrom({ LEMONADE_RELEASES_URL: "mirror.example" })).toThrow("LEMONADE_RELEASES_URL must be an address");
});

test("switches are on for 1, on, yes and true", () => {
  const env = { LEMONADE_OFFLINE: "Yes", LEMONADE_DISABLE_MODEL_FILTERING: "1", RYZENAI_SKIP_PROCESSOR_CHECK: "true" };
  expect(engineSettingsFrom(env)).toMatchObject({ isOffline: true, isModelFilterOff: true, isNpuAssumed: true });
  expect(engineSettingsFrom({ LEMONADE_OFFLINE: "0" }).isOffline).toBe(false);
});
