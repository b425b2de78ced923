import type { EngineFact } from "../engine-telemetry.ts";
import type { EngineOutput, OutputLine } from "../engine-output.ts";
import { BufferSizes } from "./buffer-sizes.ts";
import { TimingLines } from "./timing-lines.ts";

const MIB = 2 ** 20;

/**
 * Reads the output of llama-server, of builds with `--log-jsonl` (one JSON object per line, since 2026) and of older ones. The texts are
 * the same in both but for details; so each is searched for, wherever it stands in a line.
 */
export class LlamaCppOutput implements EngineOutput {
  readonly #onFact: (fact: EngineFact) => void;
  readonly #timings: TimingLines;
  readonly #buffers: BufferSizes;

  constructor(onFact: (fact: EngineFact) => void) {
    this.#onFact = onFact;
    this.#timings = new TimingLines((timings) => onFact({ kind: "answered", timings }));
    this.#buffers = new BufferSizes((devices) => onFact({ kind: "memory", devices }));
  }

  read(line: string): OutputLine | undefined {
    const entry = line.startsWith('{"type":') ? parse(line) : undefined;
    if (entry === undefined) return this.#readText(line);
    if (entry["type"] === "log") return { ...this.#readText(String(entry["msg"]).trimEnd()), isError: entry["level"] === "error" };
    if (entry["type"] === "fit_memory_breakdown") this.#buffers.tell(devicesOf(entry["data"]));
    return undefined;
  }

  #readText(text: string): OutputLine {
    this.#timings.read(text);
    this.#buffers.read(text);
    const contextTokens = /n_ctx_slot = (\d+), kv|new slot,? n_ctx(?:_slot)? = (\d+)/.exec(text);
    if (contextTokens !== null) this.#onFact({ kind: "context", tokens: Number(contextTokens[1] ?? contextTokens[2]) });
    return { text };
  }
}

/** `rows` of `{kind: "device" | "host" | …, name, self}` in MiB. */
function devicesOf(data: unknown): Record<string, number> {
  const rows = (data as { rows?: unknown } | undefined)?.rows;
  const devices = (Array.isArray(rows) ? rows : []).filter((row) => (row as { kind?: unknown }).kind === "device");
  return Object.fromEntries(devices.map(({ name, self }) => [String(name), Number(self) * MIB]));
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // Cut off, or a text of somebody else's.
  }
}
