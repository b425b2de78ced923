import { renderErrorEvent } from "../dialects/index.ts";

/** A proxy before us would store or collect events otherwise. */
const HEADERS = { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" };

export interface EventResponseOptions<T> {
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  readonly render: (item: T) => string;
  /** A comment that leaves at once, before there is an event: with it the headers do. */
  readonly opening?: string | undefined;
  /** A comment this often keeps proxies from closing a stream on which nothing happens, in milliseconds. By default none is sent. */
  readonly pingMs?: number | undefined;
}

/**
 * What a source yields, as server-sent events: one is made when the client can take it, and `until` is aborted when the client leaves.
 * `follow` is called at once, so that what it subscribes to is missed by nobody.
 */
export function eventResponse<T>(follow: (until: AbortSignal) => AsyncGenerator<T>, options: EventResponseOptions<T>): Response {
  const { signal, render, opening, pingMs } = options;
  const encoder = new TextEncoder();
  const left = new AbortController();
  const until = AbortSignal.any([signal, left.signal]);
  const items = follow(until);
  let ping: ReturnType<typeof setInterval> | undefined;
  const stopPing = () => clearInterval(ping);
  until.addEventListener("abort", stopPing, { once: true });
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (opening !== undefined) controller.enqueue(encoder.encode(`: ${opening}\n\n`));
        if (pingMs !== undefined) ping = setInterval(() => controller.enqueue(encoder.encode(": ping\n\n")), pingMs);
      },
      async pull(controller) {
        const { done, value } = await items.next();
        if (left.signal.aborted) return;
        if (!done) {
          controller.enqueue(encoder.encode(render(value)));
          return;
        }
        stopPing();
        controller.close();
      },
      async cancel() {
        left.abort(new Error("the reader has left"));
        await items.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
}

export interface ProgressOptions {
  readonly signal: AbortSignal;
  /** Takes out of an error what the caller shall not see. */
  readonly redact: ((text: string) => string) | undefined;
}

/** Work as events: `progress` with each step that it yields, then `complete` with what it returns, or `error`. */
export function progressResponse(
  work: (until: AbortSignal) => AsyncGenerator<unknown, unknown>,
  { signal, redact }: ProgressOptions,
): Response {
  async function* events(until: AbortSignal): AsyncGenerator<string> {
    const steps = work(until);
    try {
      for (;;) {
        const { done = false, value } = await steps.next();
        yield `event: ${done ? "complete" : "progress"}\ndata: ${JSON.stringify(value)}\n\n`;
        if (done) return;
      }
    } catch (error) {
      if (!until.aborted) yield `event: error\n${renderErrorEvent(error, redact)}`;
    } finally {
      await steps.return(undefined);
    }
  }
  return eventResponse(events, { signal, render: (text) => text });
}
