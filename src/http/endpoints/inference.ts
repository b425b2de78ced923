import type { Hono } from "hono";
import { RouterError } from "../../errors.ts";
import type { Router } from "../../router/index.ts";
import { readJsonBody, stringField, type JsonBody } from "../read-json-body.ts";
import { relay } from "../relay.ts";

/** Endpoints that llama-server speaks itself: the body goes to it as it came. */
const PATHS = ["chat/completions", "completions", "embeddings"] as const;

/** Adds the inference endpoints below each prefix. */
export function addInference(app: Hono, options: { router: Router; prefixes: readonly string[] }): void {
  const { router, prefixes } = options;
  for (const path of PATHS) {
    app.on(
      "POST",
      prefixes.map((prefix) => `${prefix}/${path}`),
      async (c) => {
        const body = await readJsonBody(c.req.raw);
        const model = stringField(body.fields, "model") ?? defaultModel(router, path, body);
        return await relay(router, { model, path: `/v1/${path}`, body: body.bytes, signal: c.req.raw.signal });
      },
    );
  }
}

/** A request without a model means the one that is loaded, as in Lemonade. */
function defaultModel(router: Router, path: (typeof PATHS)[number], body: JsonBody): string {
  const kind = path === "embeddings" ? "embedding" : "text";
  const loaded = router.status().find((status) => status.kind === kind && status.state !== "stopping");
  if (loaded !== undefined) return loaded.model;
  const given = Object.keys(body.fields).length === 0 ? "the request body is empty" : "the request names none in the field model";
  throw new RouterError("INVALID_REQUEST", `No model is loaded and ${given}`);
}
