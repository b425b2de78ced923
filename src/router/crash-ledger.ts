import { RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { afterCrash, decideRestart, type CrashHistory } from "../scheduling/index.ts";

/** What crashes mean for a request that wants its engine started: nothing, a pause, or an error. */
export type HoldBack =
  | { readonly kind: "pause"; readonly untilMs: number; readonly reason: string }
  | { readonly kind: "refuse"; readonly error: RouterError };

/** Remembers which engines have ended by themselves lately, one time soon after the other. */
export class CrashLedger {
  readonly #crashes = new Map<string, CrashHistory>();

  note({ id }: ModelEntry, crash: { readonly atMs: number; readonly ranMs: number; readonly cause: string }): void {
    this.#crashes.set(id, afterCrash(this.#crashes.get(id), crash));
  }

  /** Forgets the crashes of a model: somebody asks for it by hand. */
  forgive(model: string): void {
    this.#crashes.delete(model);
  }

  forgiveAll(): void {
    this.#crashes.clear();
  }

  /** Whether the engine of a model must pause, or is not started at all for a while. */
  holdBack(model: string, nowMs: number): HoldBack | undefined {
    const history = this.#crashes.get(model);
    const restart = decideRestart(history, nowMs);
    if (restart.kind === "start" || history === undefined) return undefined;
    const what = `crashed ${history.count} times in a row`;
    if (restart.kind === "pause") return { kind: "pause", untilMs: restart.untilMs, reason: `its engine ${what}` };
    const seconds = Math.ceil((restart.untilMs - nowMs) / 1000);
    const hint = `It is tried again in ${seconds} s, or at once after a load by hand.`;
    const message = `The engine of ${model} ${what}, the last time with: ${history.cause}`;
    return { kind: "refuse", error: new RouterError("ENGINE_KEEPS_CRASHING", message, { hint }) };
  }
}
