import {
  createEmbeddedBackend,
  createFlmBackend,
  createLlamaCppBackend,
  type Backend,
  type BackendContext,
  type FlmProgram,
} from "../backends/index.ts";
import type { Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import type { Engines } from "./engines.ts";

/** Which backend runs a model on this machine. */
export type BackendChooser = (entry: { readonly id: string; readonly recipe: string }) => Promise<Backend>;

/** Lemonade's fixed seed for repeatable tests. */
const CI_SEED = 42;

export interface BackendChooserOptions {
  readonly settings: Settings;
  readonly context: BackendContext;
  readonly engines: Engines;
  readonly flm: FlmProgram;
}

/**
 * The user's choice first; without one a `llama-server` that is found here, else the embedded engine, so that a machine with nothing
 * installed still answers.
 */
export function createBackendChooser({ settings, context, engines, flm: program }: BackendChooserOptions): BackendChooser {
  const seed = settings.isCi ? CI_SEED : undefined;
  const embedded = createEmbeddedBackend({ context, binDir: settings.binDir, seed });
  const llamacpp = createLlamaCppBackend({
    context,
    binDir: settings.binDir,
    executable: settings.llamacppBin,
    variant: settings.llamacppBackend,
    isCpuFallbackOff: settings.isCpuFallbackOff,
    seed,
    own: settings.ownLlamaCpp,
    usableVariants: async () => await engines.usableVariants(),
    install: async (variant, signal) => await engines.ensureLlamaCpp(variant, signal),
  });
  const flm = createFlmBackend({ context, program, install: async (signal) => await engines.ensureFlm(signal) });
  return async (entry) => {
    if (entry.recipe === "flm") return flm;
    if (entry.recipe !== "llamacpp") {
      throw new RouterError("RECIPE_UNSUPPORTED", `No backend of this machine runs models of the recipe ${entry.recipe} (${entry.id})`);
    }
    if (settings.llamacppBackend === "embedded") return embedded;
    const mayEmbed = settings.llamacppBackend === "auto" && settings.llamacppBin === undefined;
    return mayEmbed && (await llamacpp.find()) === undefined ? embedded : llamacpp;
  };
}
