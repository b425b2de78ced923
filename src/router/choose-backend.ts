import { createEmbeddedBackend, createLlamaCppBackend, type Backend, type BackendContext } from "../backends/index.ts";
import type { Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";

/** Which backend runs a model on this machine. */
export type BackendChooser = (entry: ModelEntry) => Promise<Backend>;

/** Lemonade's fixed seed for repeatable tests. */
const CI_SEED = 42;

/**
 * The user's choice first; without one a `llama-server` that is found here, else the embedded engine, so that a machine with nothing
 * installed still answers.
 */
export function createBackendChooser(settings: Settings, context: BackendContext): BackendChooser {
  const seed = settings.isCi ? CI_SEED : undefined;
  const embedded = createEmbeddedBackend({ context, binDir: settings.binDir, seed });
  const llamacpp = createLlamaCppBackend({
    context,
    binDir: settings.binDir,
    executable: settings.llamacppBin,
    variant: settings.llamacppBackend,
    isCpuFallbackOff: settings.isCpuFallbackOff,
    seed,
  });
  return async (entry) => {
    if (entry.recipe !== "llamacpp") {
      throw new RouterError("RECIPE_UNSUPPORTED", `No backend of this machine runs models of the recipe ${entry.recipe} (${entry.id})`);
    }
    if (settings.llamacppBackend === "embedded") return embedded;
    const mayEmbed = settings.llamacppBackend === "auto" && settings.llamacppBin === undefined;
    return mayEmbed && (await llamacpp.find()) === undefined ? embedded : llamacpp;
  };
}
