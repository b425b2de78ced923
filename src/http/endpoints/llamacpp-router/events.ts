import { renderModelEvent } from "../../../dialects/llamacpp/index.ts";
import type { Router } from "../../../router/index.ts";
import { eventResponse } from "../../event-response.ts";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { answers, LLAMACPP } from "./facts.ts";

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
      eventResponse((until) => router.events.follow(until), {
        signal,
        render: (event) => `data: ${JSON.stringify(renderModelEvent(event))}\n\n`,
        opening: "models",
        pingMs: PING_MS,
      }),
  });
}
