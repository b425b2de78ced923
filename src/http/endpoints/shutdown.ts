import * as v from "valibot";
import { RouterError } from "../../errors.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import type { KnownKeys } from "../security/index.ts";

/** Ends the server, for the `lemonade` command of the same user only: its key is in a file that nobody else can read. */
export function shutdownEndpoint({ commandKey, onShutdown }: KnownKeys & { onShutdown: () => void }): Endpoint {
  return endpoint({
    method: "POST",
    paths: ["/internal/shutdown"],
    scope: "admin",
    tag: "Internal",
    summary: "End the server; only for the command on this machine",
    answers: { 200: { description: "It is ending", schema: v.object({ status: v.literal("shutting down") }) } },
    handle({ identity }) {
      if (identity !== commandKey)
        throw new RouterError("FORBIDDEN", "Only the lemonade command on this machine may do this: `lemonade stop`");
      onShutdown();
      return json({ status: "shutting down" });
    },
  });
}
