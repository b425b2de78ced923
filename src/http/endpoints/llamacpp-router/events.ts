import { renderModelEvent } from "../../../dialects/llamacpp/index.ts";
import type { Router } from "../../../router/index.ts";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { answers, LLAMACPP } from "./facts.ts";

/** A comment this often keeps proxies from closing a stream on which nothing happens. */
const PING_MS = 15_000;

/** Everything that happens to models, as server-sent events. */
export function eventsEndpoint(router: Router): Endpoint {
  return endpoint({
    ...LLAMACPP,
    method: "GET",
    paths: ["/models/sse"],
    scope: "infer",
    summary: "What happens to models from now on, as server-sent events; read `/models` after connecting",
    answers: answers({ description: "One event per change", contentType: "text/event-stream" }),
    handle: ({ signal }) =>
      new Response(eventStream(router, signal), {
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
      }),
  });
}

function eventStream(router: Router, signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const left = new AbortController();
  const isOver = AbortSignal.any([signal, left.signal]);
  const events = router.events.follow(isOver);
  let ping: ReturnType<typeof setInterval> | undefined;
  isOver.addEventListener("abort", () => clearInterval(ping), { once: true });
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(": models\n\n")); // Headers leave at once: from now on the client misses nothing.
      ping = setInterval(() => controller.enqueue(encoder.encode(": ping\n\n")), PING_MS);
    },
    async pull(controller) {
      const { done, value } = await events.next();
      if (done) {
        clearInterval(ping);
        if (!left.signal.aborted) controller.close();
      } else controller.enqueue(encoder.encode(`data: ${JSON.stringify(renderModelEvent(value))}\n\n`));
    },
    cancel: () => left.abort(),
  });
}
