import * as v from "valibot";
import { findIncompatibleModels, removeIncompatibleModels, type ModelCaches, type Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { below } from "../schemas.ts";

const Incompatible = v.object({
  path: v.string(),
  name: v.string(),
  /** Bytes. */
  size: v.number(),
  size_formatted: v.string(),
  cache_type: v.picklist(["lemonade", "huggingface"]),
});
const Found = v.looseObject({ models: v.array(Incompatible), total_size: v.number(), count: v.number() });
const Cleaned = v.looseObject({
  success_count: v.number(),
  failed_count: v.number(),
  freed_size: v.number(),
  freed_size_formatted: v.string(),
  cleaned_user_models: v.array(v.string()),
});

/** What Lemonade's page offers to delete: models for older Ryzen AI software, which keep gigabytes and run nowhere. */
export function migrationEndpoints({ router, ...caches }: ModelCaches & { router: Router }): Endpoint[] {
  const { catalog } = router;
  return [
    endpoint({
      method: "GET",
      paths: below("migration/incompatible-models"),
      scope: "manage",
      tag: "Models",
      summary: "Models in the caches that only older Ryzen AI software runs",
      answers: { 200: { description: "The models, with sizes in bytes", schema: Found } },
      async handle() {
        const found = await findIncompatibleModels(caches);
        const models = found.map(({ path, name, sizeBytes, cache }) => ({
          path,
          name,
          size: sizeBytes,
          size_formatted: formatSize(sizeBytes),
          cache_type: cache,
        }));
        return json({ models, total_size: sum(found.map(({ sizeBytes }) => sizeBytes)), count: models.length });
      },
    }),
    endpoint({
      method: "POST",
      paths: below("migration/cleanup"),
      scope: "manage",
      tag: "Models",
      summary: "Delete some of these models; any other path is refused",
      body: v.looseObject({ model_paths: v.pipe(v.array(v.string()), v.minLength(1, "must name at least one path")) }),
      answers: { 200: { description: "What was deleted and what was not", schema: Cleaned } },
      async handle({ body, signal }) {
        const { removed, failed, unregistered } = await removeIncompatibleModels(body.model_paths, { ...caches, catalog, signal });
        const freed = sum(removed.map(({ sizeBytes }) => sizeBytes));
        return json({
          success_count: removed.length,
          failed_count: failed.length,
          freed_size: freed,
          freed_size_formatted: formatSize(freed),
          cleaned_user_models: unregistered,
        });
      },
    }),
  ];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** As Lemonade writes it for its page: powers of 1024 under the names of those of 1000. */
function formatSize(bytes: number): string {
  let size = bytes;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (size < 1024) return `${size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TB`;
}
