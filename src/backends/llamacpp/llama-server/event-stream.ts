import { SseDecoder } from "../../../dialects/index.ts";
import { UpstreamClientError, UpstreamStatusError } from "./errors.ts";
import { transportError } from "./http-client.ts";
import type { JsonObject } from "./inference-types.ts";
import { readBody } from "./read-body.ts";

/** The data of the event that ends a stream. */
const END_MARKER = "[DONE]";

/** An iteration over a stream. It is sent when the first item is asked for, and runs once. */
export type ResponseStream<T> = AsyncIterableIterator<T, undefined, undefined> & AsyncDisposable;

/**
 * The events of a streamed answer as parsed JSON. The request is sent when the first event is asked for; `return()` aborts it at once,
 * also while an event is awaited.
 */
export function streamEvents<T>(open: (signal: AbortSignal) => Promise<Response>, signal: AbortSignal | undefined): ResponseStream<T> {
  const leaving = new AbortController();
  const events = readEvents<T>(open, signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]), leaving.signal);
  const stop = async (): Promise<IteratorReturnResult<undefined>> => {
    leaving.abort();
    await events.return(undefined);
    return { done: true, value: undefined };
  };
  return {
    next: () => events.next(),
    return: stop,
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function* readEvents<T>(
  open: (signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
  leaving: AbortSignal,
): AsyncGenerator<T, undefined, undefined> {
  let cancel: (() => Promise<void>) | undefined;
  try {
    const response = await open(signal);
    if (!response.ok) throw new UpstreamStatusError(response.status, await readBody(response, signal));
    const reader = response.body?.getReader();
    cancel = async () => await reader?.cancel();
    const decoder = new SseDecoder();
    for (let chunk = await reader?.read(); chunk?.done === false; chunk = await reader?.read()) {
      for (const { data } of decoder.push(chunk.value)) {
        if (data === END_MARKER) return undefined;
        yield parseEvent(data) as T; // The engine's own types; what we read of them is checked by the tests on real engines.
      }
    }
    throw new UpstreamClientError(`The stream ended before ${END_MARKER}`);
  } catch (error) {
    if (leaving.aborted) return undefined; // Whoever left does not want to hear of it.
    throw transportError(error, signal);
  } finally {
    // Not awaited: the cancelling of one half of a cloned response waits for the other half.
    cancel?.().catch(() => undefined);
  }
}

/** After its first byte an answer has no status any more: the engine reports an error as an event. */
function parseEvent(data: string): JsonObject {
  const event = JSON.parse(data) as JsonObject & { readonly error?: { readonly code?: unknown } };
  const { error } = event;
  if (error === undefined) return event;
  throw new UpstreamStatusError(typeof error.code === "number" ? error.code : 500, event);
}
