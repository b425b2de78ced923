import { renderModelEvent } from "../../../dialects/llamacpp/index.ts";
import type { Router } from "../../../router/index.ts";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { eventResponse } from "../../event-response.ts";
import { shownName, shownPath, type Identity } from "../../security/index.ts";
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
    handle: (call) => eventResponse(call, (left) => modelEvents(router, call.identity, left), { pingMs: PING_MS }),
  });
}

/** Listens from the call on, not from the first read: a client that has its headers misses nothing. */
function modelEvents(router: Router, identity: Identity, signal: AbortSignal): AsyncGenerator<string> {
  const events = router.events.follow({ signal });
  return (async function* () {
    for await (const event of events) {
      const rendered = renderModelEvent(event);
      // An engine's own entry of the model repeats its name, and names files.
      const shown = (_key: string, value: unknown): unknown => {
        if (typeof value !== "string") return value;
        return value === rendered.model ? shownName(value, identity) : shownPath(value, identity);
      };
      yield `data: ${JSON.stringify(rendered, shown)}\n\n`;
    }
  })();
}
