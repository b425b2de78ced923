import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { errorMessage } from "../errors.ts";
import { LLAMACPP_BACKENDS, writeFileAtomic, type LlamaCppBackend } from "../platform/index.ts";

/** What a load may ask beyond the settings of the server. */
export interface LoadOptions {
  /** Context to reserve, in tokens. Defaults to the server's setting. */
  readonly contextTokens?: number | undefined;
  /** Which build of llama.cpp runs it. Defaults to the server's setting. */
  readonly backend?: LlamaCppBackend | undefined;
  /** Engine arguments after those of the server's setting, as one line. */
  readonly args?: string | undefined;
}

export function sameOptions(a: LoadOptions, b: LoadOptions): boolean {
  return a.contextTokens === b.contextTokens && a.backend === b.backend && (a.args ?? "") === (b.args ?? "");
}

/** Options in Lemonade's names, as a load takes them and the file keeps them. */
export const RecipeOptions = v.looseObject({
  ctx_size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  llamacpp_backend: v.optional(v.picklist(LLAMACPP_BACKENDS)),
  llamacpp_args: v.optional(v.string()),
});
export type RecipeOptions = v.InferOutput<typeof RecipeOptions>;

export function recipeOptionsOf({ contextTokens, backend, args }: LoadOptions): RecipeOptions {
  return {
    ...(contextTokens === undefined ? {} : { ctx_size: contextTokens }),
    ...(backend === undefined ? {} : { llamacpp_backend: backend }),
    ...(args ? { llamacpp_args: args } : {}),
  };
}

/** Has only what is said: it may be laid over other options. */
export function loadOptionsOf({ ctx_size: contextTokens, llamacpp_backend: backend, llamacpp_args: args }: RecipeOptions): LoadOptions {
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(backend && { backend }),
    ...(args === undefined ? {} : { args }),
  };
}

const NO_OPTIONS: LoadOptions = {};

/** The options that users have saved for models, in Lemonade's `recipe_options.json`. */
export class SavedOptions {
  readonly #cacheDir: string;
  readonly #warn: (message: string) => void;
  #saved: ReadonlyMap<string, LoadOptions> = new Map();
  #writing: Promise<void> = Promise.resolve();

  constructor(cacheDir: string, { warn }: { warn: (message: string) => void }) {
    this.#cacheDir = cacheDir;
    this.#warn = warn;
    this.read();
  }

  /** The same object as long as nothing is read or saved. */
  of(model: string): LoadOptions {
    return this.#saved.get(model) ?? NO_OPTIONS;
  }

  /** Reads the file again: somebody may have changed it by hand. What is not understood is told and counts as not said. */
  read(): void {
    this.#saved = new Map(
      Object.entries(this.#fields()).flatMap(([model, value]) => {
        const parsed = v.safeParse(RecipeOptions, value);
        if (parsed.success) return [[model, loadOptionsOf(parsed.output)]];
        this.#warn(`${this.#path}: the options of ${model} are not understood: ${parsed.issues[0].message}`);
        return [];
      }),
    );
  }

  /** Keeps these options in the place of earlier ones; none forgets the model. Other models of the file stay as they are. */
  async save(model: string, options: LoadOptions): Promise<void> {
    const write = this.#writing.then(async () => {
      const { [model]: _earlier, ...others } = this.#fields();
      const own = recipeOptionsOf(options);
      const fields = Object.keys(own).length === 0 ? others : { ...others, [model]: own };
      await mkdir(this.#cacheDir, { recursive: true });
      await writeFileAtomic(this.#path, `${JSON.stringify(fields, undefined, 4)}\n`);
      this.read();
    });
    this.#writing = write.catch(() => {}); // Whoever saves next is not to fail for it.
    await write;
  }

  get #path(): string {
    return join(this.#cacheDir, "recipe_options.json");
  }

  #fields(): Readonly<Record<string, unknown>> {
    try {
      return v.parse(v.record(v.string(), v.unknown()), JSON.parse(readFileSync(this.#path, "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#warn(`${this.#path} is not understood: ${errorMessage(error)}`);
      return {};
    }
  }
}
