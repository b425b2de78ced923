import * as v from "valibot";
import { renderListedModel, renderRouterProps } from "../../../dialects/llamacpp/index.ts";
import type { Router } from "../../../router/index.ts";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { json } from "../../json.ts";
import { authorize } from "../../security/index.ts";
import { describeModels } from "./describe-models.ts";
import { answers, LLAMACPP } from "./facts.ts";

const Model = v.looseObject({
  id: v.string(),
  aliases: v.array(v.string()),
  tags: v.array(v.string()),
  status: v.looseObject({ value: v.string(), args: v.array(v.string()), preset: v.string() }),
  architecture: v.looseObject({ input_modalities: v.array(v.string()), output_modalities: v.array(v.string()) }),
  source: v.string(),
  can_remove: v.boolean(),
});

const List = v.object({ object: v.literal("list"), data: v.array(Model) });

export function listEndpoints(router: Router): Endpoint[] {
  return [
    endpoint({
      ...LLAMACPP,
      method: "GET",
      paths: ["/models"],
      scope: "infer",
      summary: "The models with what they do; with `reload` (and the scope manage) the preset file and all folders are read anew first",
      query: v.looseObject({ reload: v.optional(v.string()) }),
      answers: answers({ description: "The models", schema: List }, 500),
      async handle({ query, identity }) {
        if (query.reload) {
          authorize(identity, "manage"); // It unloads what has changed, and forgives what keeps crashing.
          await router.reload();
        }
        const nowSeconds = Math.floor(Date.now() / 1000);
        const models = await describeModels(router, identity);
        return json({ data: models.map((model) => renderListedModel(model, nowSeconds)), object: "list" });
      },
    }),
  ];
}

/** `GET /props` of the router itself. */
export async function routerProps(router: Router): Promise<Response> {
  return json(renderRouterProps({ ...router.limits, buildInfo: await router.buildInfo() }));
}
