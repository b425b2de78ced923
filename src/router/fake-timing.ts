import { setTimeout as sleep } from "node:timers/promises";
import type { Lease } from "./lease.ts";

/** How long llama.cpp's router waits in every load and before every relayed request, for its own tests of order. */
const DELAY_MS = 2000;

/**
 * Delays for llama.cpp's own tests of a router, which rely on loads and requests that take a while (LLAMA_SERVER_DEBUG_FAKE_TIMING); they
 * run against ours, too. Never on otherwise.
 */
export class FakeTiming {
  readonly #isOn: boolean;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#isOn = Boolean(env["LLAMA_SERVER_DEBUG_FAKE_TIMING"]);
  }

  async beforeLoad(signal: AbortSignal): Promise<void> {
    if (this.#isOn) await sleep(DELAY_MS, undefined, { signal });
  }

  /** The model counts as busy meanwhile. */
  async beforeRequest(lease: Lease, signal: AbortSignal): Promise<Lease> {
    if (!this.#isOn) return lease;
    try {
      await sleep(DELAY_MS, undefined, { signal });
    } catch (error) {
      lease.release();
      throw error;
    }
    return lease;
  }
}
