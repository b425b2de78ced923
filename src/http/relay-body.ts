import { completeEventsLength, completeLastEvent } from "../dialects/index.ts";

export interface RelayBodyOptions {
  /** Called once: the stream is over, failed or its reader has left. Gets the last bytes that were passed on. */
  readonly onEnd: (tail: readonly Uint8Array[]) => void;
  /** Stops the upstream request. */
  readonly abort: (reason: unknown) => void;
  /** Whether the body is a stream of events; any other body is passed on as it comes and breaks off when the upstream fails. */
  readonly holdsEvents: boolean;
  /** Given when a reader that leaves changes nothing: the rest is read to its end all the same. Aborted when the reader has left. */
  readonly abandoned?: AbortSignal | undefined;
  /** Whether the rest is worth reading when the reader has left: it is kept somewhere. Otherwise the upstream is stopped after all. */
  readonly isKept?: (() => Promise<boolean>) | undefined;
  /** Changes whole events; may leave some out. */
  readonly mapEvents?: ((text: string) => string) | undefined;
  /**
   * Asked when the upstream fails before its first event: gives another body in its place, or undefined when there is none. What it throws
   * is the failure then.
   */
  readonly reopen: (error: unknown) => Promise<ReadableStream<Uint8Array> | undefined>;
  /** The event that a reader gets when the upstream fails after its first event. */
  readonly errorEvent: (error: unknown) => Promise<string>;
}

/** An event larger than this is passed on in pieces: holding it back would let an upstream fill our memory. */
const MAX_HELD_BYTES = 4 * 2 ** 20;

/**
 * Relays server-sent events as bytes, one read per read of the client, so that a slow reader slows the engine down. Only whole events
 * leave: when the upstream dies or ends in the middle of one, the reader gets the dialect's error event instead of a torn line.
 */
export function relayBody(upstream: ReadableStream<Uint8Array>, options: RelayBodyOptions): ReadableStream<Uint8Array> {
  let reader = upstream.getReader();
  let held: Uint8Array | undefined;
  // The last two pieces: usage and timings come with the last events, which may be split over them.
  let tail: readonly Uint8Array[] = [];
  let hasBegun = false;
  let isOver = false;
  const end = (): void => {
    if (!isOver) options.onEnd(tail);
    isOver = true;
  };
  let isAbandoned = false;
  let isReopening = false;
  const readRest = (): void => void drain(reader).then(end);
  const readOn = (): void => {
    if (isAbandoned) return;
    isAbandoned = true;
    if (!isReopening) readRest();
    void options.isKept?.().then((isWorthIt) => {
      if (!isWorthIt) options.abort(new Error("the client has left"));
    });
  };
  if (options.abandoned?.aborted === true) readOn();
  else options.abandoned?.addEventListener("abort", readOn, { once: true });
  /** Takes another body in place of the one that failed, unless the reader has seen some of it; else throws the failure. */
  const reopen = async (failure: unknown): Promise<void> => {
    isReopening = true;
    try {
      const next = hasBegun || !options.holdsEvents ? undefined : await options.reopen(failure);
      if (next === undefined) throw failure;
      reader = next.getReader();
      held = undefined;
      if (isAbandoned) readRest(); // It left meanwhile.
    } finally {
      isReopening = false;
    }
  };
  const read = async () => {
    for (;;) {
      try {
        return await reader.read();
      } catch (error) {
        if (isAbandoned) throw error;
        await reopen(error);
        if (isAbandoned) return { done: true, value: undefined } as const;
      }
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await read();
            if (isAbandoned) return;
            if (done) {
              const last = held === undefined ? "" : completeLastEvent(held);
              if (last === undefined) throw new Error("it ended in the middle of an event");
              const mapped = last === "" ? "" : (options.mapEvents?.(last) ?? last);
              if (mapped !== "") controller.enqueue(new TextEncoder().encode(mapped));
              end();
              controller.close();
              return;
            }
            const bytes = held === undefined ? value : Buffer.concat([held, value]);
            const isWhole = !options.holdsEvents || bytes.length > MAX_HELD_BYTES;
            const complete = isWhole ? bytes.length : completeEventsLength(bytes);
            held = complete === bytes.length ? undefined : bytes.subarray(complete);
            if (complete === 0) continue;
            const piece = held === undefined ? bytes : bytes.subarray(0, complete);
            hasBegun ||= !holdsOnlyComments(piece);
            tail = tail.length === 0 ? [piece] : [tail[tail.length - 1] ?? piece, piece];
            const mapped = options.mapEvents?.(new TextDecoder().decode(piece));
            if (mapped === "") continue;
            controller.enqueue(mapped === undefined ? piece : new TextEncoder().encode(mapped));
            return;
          }
        } catch (error) {
          end();
          if (isAbandoned) return;
          if (!options.holdsEvents) throw error;
          void reader.cancel(error).catch(() => {}); // It may be over; or it goes on, but cannot be translated.
          controller.enqueue(new TextEncoder().encode(await options.errorEvent(error)));
          controller.close();
        }
      },
      async cancel(reason) {
        if (options.abandoned !== undefined) {
          readOn();
          return;
        }
        end();
        options.abort(reason);
        await reader.cancel(reason).catch(() => {}); // Aborting has ended it already.
      },
    },
    { highWaterMark: 0 },
  );
}

/** Whether a piece of whole events says nothing: engines send comments while they read a long prompt. */
function holdsOnlyComments(piece: Uint8Array): boolean {
  return piece[0] === COLON && !/^[^:\n]/m.test(new TextDecoder().decode(piece));
}

const COLON = ":".charCodeAt(0);

/** Reads what nobody wants until it is over, one way or the other. */
async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // The engine has broken off: that is an end too.
  }
}
