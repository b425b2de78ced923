import { SupervisedChild, type ChildOptions, type ExitInfo } from "../platform/index.ts";
import { parseStateLine } from "./engine-protocol.ts";
import { isHealthy, waitUntilHealthy, type HealthProbe, type ProbeLimits } from "./wait-until-healthy.ts";
import type { EngineReport, LoadProgress } from "./wrapped-server.ts";

export interface EngineLaunchOptions extends Omit<ChildOptions, "onLine"> {
  /** Output, less the lines of the protocol. */
  readonly onLine: NonNullable<ChildOptions["onLine"]>;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Called for as long as the child lives. */
  readonly onReport?: ((report: EngineReport) => void) | undefined;
}

/** A child that has been started and may not be ready yet. */
export interface LaunchedEngine {
  readonly child: SupervisedChild;
  /** Resolves once the child itself says that it is ready, in the protocol of llama.cpp's router mode. */
  readonly saysReady: Promise<void>;
  /** Whether it has said anything in that protocol; older builds do not. */
  readonly speaksProtocol: () => boolean;
}

/** How the wait for an engine ended. The child lives only when it is ready. */
export type LaunchOutcome =
  | { readonly kind: "ready" }
  | { readonly kind: "exited"; readonly exit: ExitInfo }
  | { readonly kind: "unhealthy"; readonly probe: HealthProbe };

/** Time for a child that did not become ready to end politely, in milliseconds. */
const FAILED_STOP_MS = 1000;

/** Starts the program of an engine; rejects when it cannot be executed. */
export async function launchEngine({ onLine, onProgress, onReport, ...options }: EngineLaunchOptions): Promise<LaunchedEngine> {
  const ready = Promise.withResolvers<void>();
  let speaksProtocol = false;
  const child = await SupervisedChild.spawn({
    ...options,
    onLine(line, stream) {
      const stateLine = parseStateLine(line);
      if (stateLine === undefined) {
        // A line of the protocol is set apart by a blank one before it.
        return line !== "" || stream === "stderr" ? onLine(line, stream) : undefined;
      }
      speaksProtocol = true;
      if (stateLine.state === "ready") {
        onReport?.({ kind: "ready", info: stateLine.info });
        ready.resolve();
      } else if (stateLine.state === "sleeping") onReport?.({ kind: "sleeping" });
      else if (stateLine.progress !== undefined) onProgress?.(stateLine.progress);
      return undefined;
    },
  });
  return { child, saysReady: ready.promise, speaksProtocol: () => speaksProtocol };
}

/**
 * Waits until the engine says that it is ready or its health path answers, whichever comes first. Without a limit of attempts nothing is
 * sent while the child reports its own state. Rejects with the signal's reason; the child is gone by then, as after every failure.
 */
export async function untilReady(
  { child, saysReady, speaksProtocol }: LaunchedEngine,
  { healthUrl, signal, limits = {} }: { readonly healthUrl: string; readonly signal: AbortSignal; readonly limits?: ProbeLimits },
): Promise<LaunchOutcome> {
  const isLimited = limits.attempts !== undefined;
  // The probe ends with whichever comes first: its answer, the state line, the end of the child, the caller's abort.
  const probing = new AbortController();
  const probed = waitUntilHealthy(healthUrl, {
    ...limits,
    signal: AbortSignal.any([signal, probing.signal]),
    isNeeded: () => isLimited || !speaksProtocol(),
  });
  let outcome: LaunchOutcome | undefined;
  try {
    outcome = await Promise.race([
      saysReady.then(() => ({ kind: "ready" }) as const),
      probed.then((probe) => (isHealthy(probe) ? ({ kind: "ready" } as const) : ({ kind: "unhealthy", probe } as const))),
      child.exited.then((exit) => ({ kind: "exited", exit }) as const),
      aborted(signal, probing.signal),
    ]);
    return outcome;
  } finally {
    probing.abort();
    if (outcome?.kind !== "ready") await child.stop({ stepMs: FAILED_STOP_MS });
  }
}

/** Rejects with the reason of the first signal once it aborts; the second one ends the listening. */
function aborted(signal: AbortSignal, until: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: until });
  });
}
