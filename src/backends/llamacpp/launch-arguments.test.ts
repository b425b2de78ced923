import { expect, test } from "bun:test";
import { RouterError } from "../../errors.ts";
import type { LaunchRequest } from "../wrapped-server.ts";
import { launchArguments } from "./launch-arguments.ts";

const NO_PROBE: ReadonlySet<string> = new Set();

function argumentsFor(request: Partial<LaunchRequest>, { flags = NO_PROBE, useGpu = true } = {}): string[] {
  const files = { model: "/m.gguf" };
  return launchArguments({
    request: { model: "m", files, kind: "text", contextTokens: 4096, extraArgs: [], ...request },
    port: 1,
    flags,
    useGpu,
    contextShift: false,
  });
}

test("an option of a preset takes the place of ours, under any of its names", () => {
  const args = argumentsFor({ presetFlags: [["--n-gpu-layers", "20"], ["--no-jinja"], ["--temperature", "0.5"]] });
  expect(args).not.toContain("-ngl");
  expect(args).not.toContain("--jinja");
  expect(args.join(" ")).toEndWith("--n-gpu-layers 20 --no-jinja --temperature 0.5");
});

test("the user's own arguments come after those of a preset, so that they win", () => {
  const args = argumentsFor({ presetFlags: [["--temperature", "0.5"]], extraArgs: ["--temperature", "0.7"] });
  expect(args.join(" ")).toEndWith("--temperature 0.5 --temperature 0.7");
});

test("a second try without the GPU leaves out the layers that a preset wants there", () => {
  const args = argumentsFor({ presetFlags: [["--n-gpu-layers", "20"]] }, { useGpu: false });
  expect(args).not.toContain("--n-gpu-layers");
  expect(args.join(" ")).toContain("-ngl 0");
});

test("an option that the installed build does not know is refused before the start", () => {
  const flags = new Set(["-m", "--port", "--temperature"]);
  expect(() => argumentsFor({ presetFlags: [["--newest-flag", "1"]] }, { flags })).toThrow(RouterError);
  expect(() => argumentsFor({ presetFlags: [["--newest-flag", "1"]] }, { flags })).toThrow("--newest-flag");
});
