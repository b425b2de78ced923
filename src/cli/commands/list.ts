import type { Model } from "../../client/index.ts";
import { EXIT } from "../exit-codes.ts";
import { openServer } from "../open-server.ts";
import { formatTable } from "../table.ts";

export interface ListFlags {
  readonly downloaded?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Lists suggested models and those that are here; `all` the whole catalogue, `downloaded` only what is here. */
export async function list({ downloaded = false, all = false, json = false }: ListFlags): Promise<number> {
  await using server = await openServer();
  const models = sorted((await server.client.models({ all: !downloaded })).filter((model) => all || model.suggested || model.downloaded));
  if (json) console.log(JSON.stringify(models, undefined, 2));
  else if (models.length === 0)
    console.log("No model is here yet: `lemonade list` shows what can be pulled, `lemonade run tiny` needs no download.");
  else console.log(formatTable(["Model Name", "Downloaded", "Details"], models.map(row), { maxWidth: process.stdout.columns }));
  return EXIT.success;
}

/** What is here first, then by name. */
function sorted(models: readonly Model[]): readonly Model[] {
  const keyed = models.map((model) => ({ model, key: `${model.downloaded ? 0 : 1}${model.id.toLowerCase()}` }));
  return keyed.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ model }) => model);
}

/** Exactly Lemonade's columns, for programs that read them; sizes are told by `--json` and `info`. */
function row({ id, downloaded, labels }: Model): string[] {
  return [id, downloaded ? "Yes" : "No", labels.join(", ") || "-"];
}
