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
  const models = (await server.client.models({ all: !downloaded }))
    .filter((model) => all || model.suggested || model.downloaded)
    .toSorted(byRelevance);
  if (json) console.log(JSON.stringify(models, undefined, 2));
  else if (models.length === 0)
    console.log("No model is here yet: `lemonade list` shows what can be pulled, `lemonade run tiny` needs no download.");
  else console.log(formatTable(["Model Name", "Downloaded", "Size", "Details"], models.map(row), { maxWidth: process.stdout.columns }));
  return EXIT.success;
}

function byRelevance(a: Model, b: Model): number {
  return Number(b.downloaded) - Number(a.downloaded) || a.id.toLowerCase().localeCompare(b.id.toLowerCase());
}

function row({ id, downloaded, size, labels }: Model): string[] {
  return [id, downloaded ? "Yes" : "No", size === undefined ? "-" : `${size} GB`, labels.join(", ") || "-"];
}
