import { createEmbeddedBackend, createFlmBackend, createLlamaCppBackend, type LlamaCppBackend } from "../backends/engines/index.ts";
import type { Backend, BackendContext, FlmProgram } from "../backends/index.ts";
import type { Settings } from "../config/index.ts";
import type { LlamaCppBackend as BuildName } from "../platform/index.ts";
import type { Engines } from "./engines.ts";
import { requireBackend } from "./require-backend.ts";

/** Which backend runs a model on this machine; `wanted` is the build of llama.cpp that a load asks for in the place of the server's setting. */
export type BackendChooser = (entry: { readonly id: string; readonly recipe: string }, wanted?: BuildName) => Promise<Backend>;

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
  const common = {
    context,
    binDir: settings.binDir,
    isCpuFallbackOff: settings.isCpuFallbackOff,
    seed,
    own: settings.ownLlamaCpp,
    usableVariants: async () => await engines.usableVariants(),
  };
  const llamacpp = createLlamaCppBackend({
    ...common,
    executable: settings.llamacppBin,
    variant: settings.llamacppBackend,
    install: async (variant, signal) => await engines.ensureLlamaCpp(variant, signal),
  });
  const builds = new Map<BuildName, LlamaCppBackend>();
  /** Only what is here: installing engines is the administrator's, and whoever loads a model need not be one. */
  const buildOf = (variant: BuildName): LlamaCppBackend => {
    const build = builds.get(variant) ?? createLlamaCppBackend({ ...common, executable: undefined, variant });
    builds.set(variant, build);
    return build;
  };
  const flm = createFlmBackend({ context, program, install: async (signal) => await engines.ensureFlm(signal) });
  return async (entry, wanted = settings.llamacppBackend) => {
    if (entry.recipe === "flm") return flm;
    requireBackend(entry);
    if (wanted === "embedded") return embedded;
    const isOfServer = wanted === settings.llamacppBackend;
    const program = isOfServer ? llamacpp : buildOf(wanted);
    const mayEmbed = wanted === "auto" && !(isOfServer && settings.llamacppBin !== undefined);
    return mayEmbed && (await program.find()) === undefined ? embedded : program;
  };
}
