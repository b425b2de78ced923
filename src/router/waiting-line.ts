import { sameOptions, type LoadOptions } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import type { Lease } from "./lease.ts";

/** A request, or a load by hand, that waits for its model. */
export interface Waiter {
  readonly entry: ModelEntry;
  /** How the model must run; undefined when any way will do. */
  readonly options: LoadOptions | undefined;
  readonly sinceMs: number;
  readonly lease: PromiseWithResolvers<Lease>;
  /** It does not count as a use of the model. */
  readonly isPassive: boolean;
  /** Why it still waits, for the message when it has waited too long. */
  reason: string;
  /** When the pause after a crash ends, in milliseconds since the epoch. */
  wakeMs?: number | undefined;
}

/** Who waits for a model, in order of arrival. Decides nothing. */
export class WaitingLine implements Iterable<Waiter> {
  readonly #waiters = new Set<Waiter>();

  [Symbol.iterator](): Iterator<Waiter> {
    return this.#waiters.values();
  }

  get size(): number {
    return this.#waiters.size;
  }

  has(waiter: Waiter): boolean {
    return this.#waiters.has(waiter);
  }

  add({ entry, options, isPassive }: Pick<Waiter, "entry" | "options" | "isPassive">): Waiter {
    const waiter: Waiter = { entry, options, isPassive, sinceMs: Date.now(), lease: Promise.withResolvers(), reason: "" };
    this.#waiters.add(waiter);
    return waiter;
  }

  isWaitedFor(model: string): boolean {
    for (const { entry } of this.#waiters) if (entry.id === model) return true;
    return false;
  }

  /** How the first of those who are particular about it wants the model to run. */
  wishFor(model: string): LoadOptions | undefined {
    for (const { entry, options } of this.#waiters) if (entry.id === model && options !== undefined) return options;
    return undefined;
  }

  /** Whether somebody waits for the model who wants it with just these options. */
  wants(model: string, options: LoadOptions): boolean {
    for (const waiter of this.#waiters) if (waiter.entry.id === model && isParticular(waiter, options)) return true;
    return false;
  }

  serve(waiter: Waiter, lease: Lease): void {
    this.#waiters.delete(waiter);
    waiter.lease.resolve(lease);
  }

  reject(waiter: Waiter, error: unknown): void {
    this.#waiters.delete(waiter);
    waiter.lease.reject(error);
  }

  /** Rejects those who wait for a model; with `asked` only those who want it with these options. */
  rejectAll(model: string, error: unknown, asked?: LoadOptions): void {
    for (const waiter of this.#waiters) {
      if (waiter.entry.id === model && (asked === undefined || isParticular(waiter, asked))) this.reject(waiter, error);
    }
  }
}

function isParticular({ options }: Waiter, wanted: LoadOptions): boolean {
  return options !== undefined && sameOptions(options, wanted);
}

export function queueFull({ id }: ModelEntry, waitingCount: number): RouterError {
  return new RouterError("QUEUE_FULL", `${waitingCount} requests wait already; ${id} was not queued`, { hint: "Try again later." });
}

export function queueTimeout({ entry, reason }: Waiter, waitedMs: number): RouterError {
  return new RouterError("QUEUE_TIMEOUT", `${entry.id} got no place within ${Math.round(waitedMs / 1000)} s: ${reason}`, {
    hint: "Allow more models with --max-loaded-models, or try again later.",
  });
}
