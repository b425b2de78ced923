import { expect, test } from "bun:test";
import { Log, type LogLine } from "../platform/index.ts";
import { logEngineLine } from "./log-engine-line.ts";

function logged(line: string): readonly string[] {
  const lines: LogLine[] = [];
  logEngineLine(new Log({ level: "debug", sink: (one) => lines.push(one) }), "tiny", { text: line });
  return lines.map(({ level, text }) => `${level}: ${text}`);
}

test.each([
  ["llama_model_load: error loading model: unknown architecture", "error"],
  ["ERROR: no device", "error"],
  ["0.00.001.000 E ggml_vulkan: no usable device found", "error"],
  ["0.00.001.000 I srv  params: the error handler is set", "debug"],
  ["0.00.001.000 W load: special tokens look odd", "debug"],
  ["main: server is listening on http://127.0.0.1:8001", "debug"],
])("a line of the engine is logged as what it is: %s", (line, level) => {
  expect(logged(line)).toEqual([`${level}: ${line}`]);
});

test("GPUs that Vulkan finds are told to everybody, unless there are none", () => {
  expect(logged("ggml_vulkan: Found 1 Vulkan devices:")[0]).toBe("info: GPU acceleration is active, with 1 Vulkan device");
  expect(logged("ggml_vulkan: Found 2 Vulkan devices:")[0]).toBe("info: GPU acceleration is active, with 2 Vulkan devices");
  expect(logged("ggml_vulkan: Found 0 Vulkan devices:")).toHaveLength(1);
});
