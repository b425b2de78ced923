import * as v from "valibot";
import { RouterError } from "../../errors.ts";
import type { ModelKind } from "../../model/index.ts";
import type { Router } from "../../router/index.ts";
import { endpoint, type Answer, type Endpoint } from "../endpoint.ts";
import { relay } from "../relay.ts";
import { requireReachable } from "../security/index.ts";
import { below, ModelName, optional } from "../schemas.ts";

/** An endpoint that llama-server speaks itself: the body goes to it as it came. */
interface Inference {
  readonly paths: readonly string[];
  /** Where the engine has it. */
  readonly enginePath: string;
  readonly kind: ModelKind;
  readonly summary: string;
  readonly fields: v.ObjectEntries;
}

const isStreamed = optional(v.boolean());

const INFERENCE: readonly Inference[] = [
  {
    paths: [...below("chat/completions"), "/chat/completions"],
    enginePath: "/v1/chat/completions",
    kind: "text",
    summary: "Answer a conversation",
    fields: { messages: optional(v.array(v.looseObject({}))), stream: isStreamed },
  },
  {
    paths: below("completions"),
    enginePath: "/v1/completions",
    kind: "text",
    summary: "Continue a text",
    fields: { stream: isStreamed },
  },
  { paths: below("embeddings"), enginePath: "/v1/embeddings", kind: "embedding", summary: "Turn texts into vectors", fields: {} },
];

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: { description: "The engine's answer as it came; server-sent events when `stream` is true" },
};

export function inferenceEndpoints(router: Router): Endpoint[] {
  return INFERENCE.map(({ paths, enginePath, kind, summary, fields }) =>
    endpoint({
      method: "POST",
      paths,
      scope: "infer",
      tag: "Inference",
      summary,
      body: v.looseObject({ model: optional(ModelName), ...fields }),
      answers: ANSWERS,
      async handle({ body, bytes, signal, identity }) {
        const model = body.model ?? defaultModel(router, kind);
        requireReachable(model, identity);
        return await relay(router, { model, path: enginePath, body: bytes, signal });
      },
    }),
  );
}

/** A request without a model means the one that is loaded, as in Lemonade. */
function defaultModel(router: Router, kind: ModelKind): string {
  const loaded = router.status().find((status) => status.kind === kind && status.state !== "stopping");
  if (loaded !== undefined) return loaded.model;
  throw new RouterError("INVALID_REQUEST", "The field model is missing, and no model is loaded that could be meant");
}
