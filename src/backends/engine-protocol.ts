import type { LoadProgress } from "./wrapped-server.ts";

export interface EngineStateLine {
  /** `loading`, `ready` (also after waking up), `sleeping`, … */
  readonly state: string;
  readonly progress?: LoadProgress | undefined;
  /** The engine's own entry of its model, told once, with the first `ready`. */
  readonly info?: Readonly<Record<string, unknown>> | undefined;
}

/** What llama.cpp's router writes to a child's standard input to end it. */
export const EXIT_LINE = "cmd_router_to_child:exit";

const PREFIX = "cmd_child_to_router:";

/**
 * Reads a state line that a child of llama.cpp's router mode prints on its output: `cmd_child_to_router:state:{"state":…,"payload":…}`
 * since June 2026, `cmd_child_to_router:ready` before. `undefined` for any other line.
 */
export function parseStateLine(line: string): EngineStateLine | undefined {
  const at = line.indexOf(PREFIX);
  if (at === -1) return undefined;
  const rest = line.slice(at + PREFIX.length);
  if (!rest.startsWith("state:")) return { state: rest.split(":", 1)[0]?.trim() ?? "" };
  try {
    const { state, payload } = JSON.parse(rest.slice("state:".length)) as { state?: unknown; payload?: unknown };
    return { state: String(state), progress: progressOf(payload), info: state === "ready" ? infoOf(payload) : undefined };
  } catch {
    return { state: "unknown" }; // A line of a newer protocol: it still shows that the child speaks it.
  }
}

function progressOf(payload: unknown): LoadProgress | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { stages, current, value } = payload as { stages?: unknown; current?: unknown; value?: unknown };
  if (typeof current !== "string" || typeof value !== "number") return undefined;
  return { stages: Array.isArray(stages) ? stages.map(String) : [current], stage: current, fraction: value };
}

function infoOf(payload: unknown): EngineStateLine["info"] {
  const isEntry = typeof payload === "object" && payload !== null && !Array.isArray(payload) && Object.keys(payload).length > 0;
  return isEntry ? (payload as Record<string, unknown>) : undefined;
}
