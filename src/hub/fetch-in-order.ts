import type { Clock } from "./clock.ts";
import { freeBytes } from "./free-bytes.ts";
import { Pace, type PartPace } from "./pace.ts";
import type { PartSlots } from "./part-slots.ts";
import { retrying } from "./retry.ts";

export interface InOrderOptions {
  readonly startByte: number;
  readonly endByte: number;
  /** Opens a range; yields its bytes and ends, or throws a `TransientError` where trying again may help. */
  readonly open: (start: number, end: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Takes the bytes in order. `isOurs` says that the chunk may be kept; otherwise it is only valid until the promise settles. */
  readonly append: (chunk: Uint8Array, isOurs: boolean) => Promise<void>;
  readonly onReceived: (bytes: number) => void;
  readonly slots: PartSlots;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Part {
  readonly start: number;
  readonly end: number;
  received: number;
  /** Bytes that arrived before their turn; `flushed` of them are appended. */
  buffer: Uint8Array | undefined;
  buffered: number;
  flushed: number;
  /** All parts before it are appended: bytes go straight on. */
  isHead: boolean;
  isDone: boolean;
  readonly release: () => void;
}

/**
 * Fetches a range as parts over several connections and hands the bytes on in order. The part whose turn it is streams; the others
 * collect in memory, which the slots bound. So what is appended is always a prefix of the file: it can be hashed as it comes, and
 * whoever finds the file later, of whatever program, can go on at its end.
 */
export async function fetchInOrder(options: InOrderOptions): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const parts: Part[] = [];
  const running = new Set<Promise<void>>();
  const pace = new Pace(options.clock);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(error);
  };
  for (let start = options.startByte; start < options.endByte && !stop.signal.aborted;) {
    if (!pace.isParallel) await oneAtATime(running, pace, options.clock);
    const release = await options.slots.acquire(signal).catch(fail);
    if (!release) break;
    const end = Math.min(options.endByte, start + pace.nextBytes);
    const state = { received: 0, buffer: undefined, buffered: 0, flushed: 0, isHead: parts.length === 0, isDone: false };
    const part: Part = { start, end, ...state, release };
    parts.push(part);
    const partPace = pace.startPart();
    const task = fetchPart(part, partPace, options, signal)
      .then(() => {
        partPace.finished(end - part.start);
        part.isDone = true;
        // Otherwise whoever appends what this part has collected sees that it is done, and goes on.
        return part.isHead ? advance(parts, options) : undefined;
      })
      .catch(fail)
      .finally(() => running.delete(task));
    running.add(task);
    start = end;
  }
  while (running.size > 0) await Promise.all(running);
  for (const part of parts) {
    part.release();
    if (part.buffer) freeBytes(part.buffer);
  }
  options.signal.throwIfAborted();
  if (failure) throw failure.error;
}

/** Waits for the lone part that is under way, but only for so long: then it is too slow to stay alone. */
async function oneAtATime(running: ReadonlySet<Promise<void>>, pace: Pace, clock: Clock): Promise<void> {
  if (running.size === 0) return;
  const isThrough = new AbortController();
  const patience = clock.sleep(pace.patienceMs, isThrough.signal).then(
    () => pace.goParallel(),
    () => {},
  );
  await Promise.race([Promise.all(running), patience]);
  isThrough.abort();
}

async function fetchPart(part: Part, pace: PartPace, options: InOrderOptions, signal: AbortSignal): Promise<void> {
  let before = 0;
  await retrying(
    async () => {
      before = part.received;
      for await (const chunk of options.open(part.start + part.received, part.end, signal)) {
        pace.arrived();
        const bytes = chunk.length;
        if (part.isHead) {
          await options.append(chunk, true);
        } else {
          part.buffer ??= new Uint8Array(part.end - part.start);
          part.buffer.set(chunk, part.buffered);
          part.buffered += bytes;
          freeBytes(chunk);
        }
        // Only now: a chunk that could not be appended must be fetched again.
        part.received += bytes;
        options.onReceived(bytes);
        pace.handled();
      }
    },
    { clock: options.clock, signal, hasProgressed: () => part.received > before },
  );
}

/** After the head part is through: appends what its successors hold, until one is not complete. That one is the new head. */
async function advance(parts: Part[], { append }: InOrderOptions): Promise<void> {
  for (;;) {
    parts.shift()?.release();
    const head = parts[0];
    if (!head) return;
    // More may arrive while a piece is being appended.
    while (head.flushed < head.buffered) {
      const end = head.buffered;
      await append((head.buffer as Uint8Array).subarray(head.flushed, end), false);
      head.flushed = end;
    }
    if (head.buffer) freeBytes(head.buffer);
    head.buffer = undefined;
    head.isHead = true;
    // Its own task streams from here on, and advances when it is through.
    if (!head.isDone) return;
  }
}
