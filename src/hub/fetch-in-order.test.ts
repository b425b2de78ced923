import { expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import { fetchInOrder, type InOrderOptions } from "./fetch-in-order.ts";
import { PartSlots } from "./part-slots.ts";
import { TransientError } from "./retry.ts";

const SIZE = 20 * (1 << 20) + 77;
const FILE = new Uint8Array(SIZE).map((_, index) => (index * 2_654_435_761) >>> 13);
const CHUNK = 100_000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Time stands still: parts look fast and waiting is over at once. */
const clock = { now: () => 0, sleep: turn, random: () => 0 };

/** A repeatable source of chance. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    return (state >> 8) % below;
  };
}

interface Run {
  readonly appended: Uint8Array;
  readonly received: number;
  readonly mostParts: number;
  readonly error: unknown;
}

async function run(options: Partial<InOrderOptions> & { roll?: (below: number) => number; slotCount?: number }): Promise<Run> {
  const { startByte = 0, endByte = SIZE, slotCount = 3, roll = () => 0 } = options;
  const appended = new Uint8Array(endByte - startByte);
  let length = 0;
  let received = 0;
  let open = 0;
  let mostParts = 0;
  const error: unknown = await fetchInOrder({
    startByte,
    endByte,
    clock,
    slots: new PartSlots(slotCount),
    signal: new AbortController().signal,
    onReceived: (bytes) => (received += bytes),
    async append(chunk) {
      for (let turns = roll(3); turns > 0; turns--) await turn();
      appended.set(chunk, length);
      length += chunk.length;
    },
    async *open(start, end) {
      mostParts = Math.max(mostParts, ++open);
      try {
        for (let at = start; at < end;) {
          for (let turns = roll(4); turns > 0; turns--) await turn();
          const chunk = FILE.slice(at, Math.min(end, at + 1 + roll(CHUNK) + CHUNK));
          at += chunk.length;
          yield chunk;
        }
      } finally {
        open--;
      }
    },
    ...options,
  }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { appended: appended.subarray(0, length), received, mostParts, error };
}

const isSame = (actual: Uint8Array, expected: Uint8Array): boolean => Buffer.compare(actual, expected) === 0;

test("parts that arrive in any order are appended in order, each byte once", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { appended, received, mostParts, error } = await run({ roll: dice(seed) });
    expect([error, received, isSame(appended, FILE)]).toEqual([undefined, SIZE, true]);
    expect(mostParts).toBe(3);
  }
});

test("a range is fetched from where it begins to where it ends", async () => {
  const { appended, error } = await run({ startByte: 1_234_567, endByte: 9_876_543, roll: dice(3) });
  expect([error, isSame(appended, FILE.subarray(1_234_567, 9_876_543))]).toEqual([undefined, true]);
  expect((await run({ startByte: SIZE })).appended.length).toBe(0);
});

test("a part that breaks goes on where it broke", async () => {
  const roll = dice(7);
  let breaks = 0;
  const { appended, received, error } = await run({
    roll,
    async *open(start, end) {
      for (let at = start; at < end; at += CHUNK) {
        await turn();
        if (roll(10) === 0 && at > start) {
          breaks++;
          throw new TransientError("HUB_UNREACHABLE", "cut");
        }
        yield FILE.slice(at, Math.min(end, at + CHUNK));
      }
    },
  });
  expect([error, received, isSame(appended, FILE)]).toEqual([undefined, SIZE, true]);
  expect(breaks).toBeGreaterThan(5);
});

test("one part that fails for good ends all, and what was appended is a prefix", async () => {
  const lasting = new RouterError("DOWNLOAD_FAILED", "gone");
  const roll = dice(11);
  const { appended, error } = await run({
    roll,
    async *open(start, end) {
      for (let at = start; at < end; at += CHUNK) {
        for (let turns = roll(4); turns > 0; turns--) await turn();
        if (at > 12_000_000) throw lasting;
        yield FILE.slice(at, Math.min(end, at + CHUNK));
      }
    },
  });
  expect(error).toBe(lasting);
  expect(isSame(appended, FILE.subarray(0, appended.length))).toBe(true);
  expect(appended.length).toBeLessThan(SIZE);
});

test("a disk that is full ends the download with its own error", async () => {
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  let appended = 0;
  const { error } = await run({
    roll: dice(5),
    async append(chunk) {
      if (appended > 5_000_000) throw full;
      appended += chunk.length;
    },
  });
  expect(error).toBe(full);
});

test("an abort ends it with its reason, gives the slots back, and leaves no part running", async () => {
  const slots = new PartSlots(2);
  const caller = new AbortController();
  const reason = new Error("paused");
  let running = 0;
  const { error } = await run({
    slots,
    signal: caller.signal,
    onReceived: () => caller.abort(reason),
    async *open(start, end, signal) {
      running++;
      try {
        for (let at = start; at < end; at += CHUNK) {
          await turn();
          signal.throwIfAborted();
          yield FILE.slice(at, Math.min(end, at + CHUNK));
        }
      } finally {
        running--;
      }
    },
  });
  expect([error, running]).toEqual([reason, 0]);
  const { signal } = new AbortController();
  await Promise.all([slots.acquire(signal), slots.acquire(signal)]);
});
