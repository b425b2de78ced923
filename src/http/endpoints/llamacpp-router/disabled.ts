import * as v from "valibot";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { json } from "../../json.ts";
import { LLAMACPP } from "./facts.ts";

const Disabled = v.object({ error: v.object({ message: v.string(), type: v.literal("feature_disabled") }) });

/** Features that llama.cpp has switched off unless asked: its page looks for them and reads this answer as "not here". */
export function disabledEndpoints(): Endpoint[] {
  const paths = ["/tools", "/cors-proxy"];
  return (["GET", "POST"] as const).flatMap((method) =>
    paths.map((path) =>
      endpoint({
        ...LLAMACPP,
        method,
        paths: [path],
        scope: "infer",
        summary: "Not offered: tools that run on this machine, and requests to other servers",
        answers: { 403: { description: "This feature is disabled", schema: Disabled } },
        handle: () => json({ error: { message: "this feature is disabled", type: "feature_disabled" } }, { status: 403 }),
      }),
    ),
  );
}
