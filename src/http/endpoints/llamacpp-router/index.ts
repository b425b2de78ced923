import type { Endpoint } from "../../endpoint.ts";
import type { RelayContext } from "../../relay-call.ts";
import { disabledEndpoints } from "./disabled.ts";
import { engineEndpoints } from "./engine.ts";
import { eventsEndpoint } from "./events.ts";
import { listEndpoints } from "./lists.ts";
import { manageEndpoints } from "./manage.ts";
import { streamEndpoints } from "./streams.ts";

export { describeModel, isListed } from "./describe-models.ts";

/** The HTTP interface of llama.cpp's router mode: at the root, where its clients look for it. */
export function llamaCppRouterEndpoints(context: RelayContext): Endpoint[] {
  const { router } = context;
  return [
    ...listEndpoints(router),
    ...manageEndpoints(router),
    eventsEndpoint(router),
    ...engineEndpoints(context),
    ...streamEndpoints(context),
    ...disabledEndpoints(),
  ];
}
