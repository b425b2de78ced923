import type { Log, LogLevel } from "../platform/index.ts";
import type { OutputLine } from "./engine-output.ts";

/** Since August 2026 llama.cpp says the level itself: `0.00.000.305 I srv  llama_server: initializing ...`. */
const OWN_LEVEL = /^\d+(?:\.\d+){3} ([A-Z]) /;
const VULKAN_DEVICES = /ggml_vulkan: Found (\d+) Vulkan devices?:/;

/** Writes a line of an engine into the log: errors for everybody, the rest for those who look closely. */
export function logEngineLine(log: Log, model: string, line: OutputLine): void {
  const { text } = line;
  const devices = Number(VULKAN_DEVICES.exec(text)?.[1] ?? 0);
  if (devices > 0) log.info(model, `GPU acceleration is active, with ${devices} Vulkan device${devices === 1 ? "" : "s"}`);
  log.write(levelOf(line), model, text);
}

function levelOf({ text, isError }: OutputLine): LogLevel {
  const own = OWN_LEVEL.exec(text)?.[1];
  return (isError ?? (own === undefined ? /error/i.test(text) : own === "E")) ? "error" : "debug";
}
