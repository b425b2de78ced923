import { expect, test } from "bun:test";
import { checkNpuDriver } from "./check-driver.ts";
import { parseFlmVersion, parseInstalledTags } from "./flm-output.ts";
import { compareVersions } from "./flm-policy.ts";

test("the version is found among other lines", () => {
  expect(parseFlmVersion(["[NPU] ready", "FLM v0.9.23"])).toBe("v0.9.23");
  expect(parseFlmVersion(["FLM 0.9.4"])).toBe("v0.9.4");
  expect(parseFlmVersion(["flm: command failed"])).toBeUndefined();
});

test("only models with the check mark are installed", () => {
  const lines = ["Models:", "  - llama3.2:1b ✅", "  - qwen3:8b ⏬", "- gpt-oss:20b ✅\uFE0F ", "llama3.1:8b ✅"];
  expect([...parseInstalledTags(lines)]).toEqual(["llama3.2:1b", "gpt-oss:20b"]);
});

test("versions are compared by numbers, not by letters", () => {
  expect(compareVersions("v0.9.10", "0.9.9")).toBeGreaterThan(0);
  expect(compareVersions("v1.0", "v1.0.0")).toBe(0);
  expect(compareVersions("32.0.203.280", "32.0.203.304")).toBeLessThan(0);
});

test("an old NPU driver is refused, an unknown one is not", () => {
  expect(() => checkNpuDriver("32.0.203.280")).toThrow("older than FastFlowLM needs (32.0.203.304)");
  expect(() => checkNpuDriver("32.0.203.314")).not.toThrow();
  expect(() => checkNpuDriver(undefined)).not.toThrow();
});
