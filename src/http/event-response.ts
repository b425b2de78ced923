import { renderErrorEvent } from "../dialects/index.ts";
import type { Call } from "./endpoint.ts";
import { redactionFor } from "./security/index.ts";

type Listener = Pick<Call<unknown, unknown>, "signal" | "connection">;

export interface EventResponseOptions {
  /**
   * A comment this often, and one at once, for a stream on which nothing may happen for long: its headers leave before the first event,
   * and no proxy takes it for dead.
   */
  readonly pingMs?: number | undefined;
}

const PING = ": ping\n\n";

/** The texts of a generator as server-sent events: one is made when the client can take it. The signal is aborted when the client leaves. */
export function eventResponse(
  { signal, connection }: Listener,
  eventsUntil: (left: AbortSignal) => AsyncGenerator<string>,
  { pingMs }: EventResponseOptions = {},
): Response {
  const encoder = new TextEncoder();
  const left = new AbortController();
  const events = eventsUntil(AbortSignal.any([signal, left.signal]));
  let ping: ReturnType<typeof setInterval> | undefined;
  const end = () => {
    clearInterval(ping);
    connection.answerHasEnded();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (pingMs === undefined) return;
        controller.enqueue(encoder.encode(PING));
        // A client that has not read the last comment needs no other one.
        ping = setInterval(() => (controller.desiredSize === 0 ? controller.enqueue(encoder.encode(PING)) : undefined), pingMs);
      },
      async pull(controller) {
        try {
          const { done, value } = await events.next();
          if (left.signal.aborted) return;
          if (done !== true) return controller.enqueue(encoder.encode(value));
          end();
          controller.close();
        } catch (error) {
          end();
          throw error;
        }
      },
      async cancel() {
        end();
        left.abort();
        await events.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    // nginx before us would collect events otherwise.
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}

export interface Task {
  /** How far it is, as often as a client shall know. */
  readonly progress: AsyncIterable<unknown>;
  readonly result: () => Promise<unknown>;
}

/** Something that takes long, as events: `progress`, then `complete` with its result, or `error`. */
export function taskResponse(call: Listener & Pick<Call<unknown, unknown>, "identity">, start: (left: AbortSignal) => Task): Response {
  const named = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  return eventResponse(call, async function* (left) {
    try {
      const { progress, result } = start(left);
      for await (const step of progress) yield named("progress", step);
      yield named("complete", await result());
    } catch (error) {
      if (!left.aborted) yield `event: error\n${renderErrorEvent(error, redactionFor(call.identity))}`;
    }
  });
}
