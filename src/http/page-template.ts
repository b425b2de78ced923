import type { CatalogEntry } from "../router/index.ts";

export interface PageVariables {
  /** Where the browser reached us: behind a proxy that is not the port we listen on. */
  readonly port: number;
  readonly models: readonly CatalogEntry[];
  readonly platform: NodeJS.Platform;
}

/** Fills the markers of Lemonade's page. */
export function fillPage(template: string, { port, models, platform }: PageVariables): string {
  const values: Readonly<Record<string, string>> = {
    SERVER_PORT: String(port),
    SERVER_MODELS_JS: scriptSetting("SERVER_MODELS", Object.fromEntries(models.map((model) => [model.id, renderEntry(model)]))),
    PLATFORM_JS: scriptSetting("PLATFORM", PLATFORMS[platform] ?? "Linux"),
  };
  return template.replaceAll(/\{\{(SERVER_PORT|SERVER_MODELS_JS|PLATFORM_JS)\}\}/g, (_marker, name: string) => values[name] ?? "");
}

const PLATFORMS: Readonly<Record<string, string>> = { win32: "Windows", darwin: "Darwin", linux: "Linux" };

/** JSON as a script may hold it: a `<` could end the script element, and older browsers took two more characters for line breaks. */
function scriptSetting(name: string, value: unknown): string {
  const json = JSON.stringify(value).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  return `<script>window.${name} = ${json};</script>`;
}

/** A model as in Lemonade's registry, with the fields that its page reads. */
function renderEntry({ id, checkpoint, recipe, labels, suggested, sizeBytes, mmproj }: CatalogEntry): Readonly<Record<string, unknown>> {
  return {
    model_name: id,
    checkpoint,
    recipe,
    labels,
    suggested,
    size: sizeBytes === undefined ? undefined : sizeBytes / 1e9,
    mmproj,
    reasoning: labels.includes("reasoning") || undefined,
    vision: labels.includes("vision") || undefined,
  };
}
