import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GgufMetadata } from "../../../model/gguf/index.ts";
import { loadAddon, type Addon, type AddonContext, type AddonModel, type ContextOptions } from "./addon.ts";
import type { WorkerArguments } from "./arguments.ts";
import { ChatTemplate } from "./chat-template.ts";
import type { CompletionContext } from "./completions.ts";
import { EmbeddingEngine } from "./embedding-engine.ts";
import { numberOf, readModelMetadata, textOf } from "./model-metadata.ts";
import { TextEngine } from "./text-engine.ts";
import { Vocabulary } from "./vocabulary.ts";

/** What the endpoints work with. */
export interface LoadedModel {
  readonly arguments: WorkerArguments;
  readonly metadata: GgufMetadata;
  readonly model: AddonModel;
  readonly vocabulary: Vocabulary;
  readonly template: ChatTemplate;
  readonly contextTokens: number;
  readonly fingerprint: string;
  /** Makes the text engine on first use where the worker serves embeddings. */
  readonly text: () => Promise<CompletionContext>;
  readonly textEngine: TextEngine | undefined;
  readonly embeddings: EmbeddingEngine | undefined;
  readonly close: () => Promise<void>;
}

export interface LoadOptions {
  readonly log: (text: string) => void;
  readonly onProgress: (fraction: number) => void;
}

/** Loads the engine, then the model. llama.cpp's own log says why when it cannot; the error names what failed. */
export async function loadModel(args: WorkerArguments, { log, onProgress }: LoadOptions): Promise<LoadedModel> {
  const addon = loadAddon(args.engine, log);
  await addon.init();
  const model = new addon.AddonModel(args.model, {
    addonExports: addon,
    useMmap: true,
    onLoadProgress: onProgress,
    ...(args.gpuLayers !== undefined && { gpuLayers: args.gpuLayers }),
  });
  if (!(await model.init())) throw new Error(`failed to load model, '${args.model}'`);
  const metadata = readModelMetadata(args.model);
  const vocabulary = new Vocabulary(model);
  const trained = model.getTrainContextSize();
  const contextTokens = args.contextTokens > 0 ? args.contextTokens : trained;
  const loaded = new Loader({ args, addon, model, metadata, vocabulary, contextTokens, log });
  return await loaded.load();
}

interface LoaderOptions {
  readonly args: WorkerArguments;
  readonly addon: Addon;
  readonly model: AddonModel;
  readonly metadata: GgufMetadata;
  readonly vocabulary: Vocabulary;
  readonly contextTokens: number;
  readonly log: (text: string) => void;
}

class Loader {
  readonly #options: LoaderOptions;
  readonly #fingerprint: string;
  readonly #template: ChatTemplate;
  #text: Promise<CompletionContext> | undefined;
  #textEngine: TextEngine | undefined;

  constructor(options: LoaderOptions) {
    this.#options = options;
    this.#fingerprint = `b0-${engineTag(options.args.engine)}`;
    this.#template = this.#loadTemplate();
  }

  async load(): Promise<LoadedModel> {
    const { args, model, metadata, vocabulary, contextTokens } = this.#options;
    const embeddings = args.mode === "text" ? undefined : await this.#loadEmbeddings();
    if (args.mode === "text") await this.#loadText();
    const textEngine = (): TextEngine | undefined => this.#textEngine;
    return {
      arguments: args,
      metadata,
      model,
      vocabulary,
      template: this.#template,
      contextTokens,
      fingerprint: this.#fingerprint,
      text: () => this.#loadText(),
      get textEngine() {
        return textEngine();
      },
      embeddings,
      close: async () => {
        await Promise.all([this.#textEngine?.close(), embeddings?.close()]);
      },
    };
  }

  #loadTemplate(): ChatTemplate {
    const { addon, metadata, vocabulary } = this.#options;
    const special = (token: number): string => (token === -1 ? "" : vocabulary.text([token], { showsSpecial: true }));
    try {
      return new ChatTemplate({
        addon,
        source: textOf(metadata, "tokenizer.chat_template"),
        bosText: special(vocabulary.bos),
        eosText: special(vocabulary.eos),
        addsBos: vocabulary.addsBos,
        addsEos: vocabulary.addsEos,
        isEndOfAnswer: (tag) => {
          const [token, ...more] = vocabulary.tokenize(tag, { addSpecial: false });
          return token !== undefined && more.length === 0 && vocabulary.endsAnswer(token);
        },
      });
    } catch (error) {
      throw new Error(`failed to initialize chat template: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  #loadText(): Promise<CompletionContext> {
    this.#text ??= this.#makeText();
    return this.#text;
  }

  async #makeText(): Promise<CompletionContext> {
    const { args, addon, model, metadata, vocabulary, contextTokens, log } = this.#options;
    const batchTokens = Math.max(args.batchTokens, args.slots);
    const context = await this.#makeContext({ contextSize: contextTokens * args.slots, batchSize: batchTokens, sequences: args.slots });
    const architecture = textOf(metadata, "general.architecture") ?? "";
    const engine = new TextEngine({
      addon,
      model,
      context,
      vocabulary,
      slots: args.slots,
      contextTokens,
      batchTokens,
      windowTokens: numberOf(metadata, `${architecture}.attention.sliding_window`),
      tokenCount: vocabularySize(metadata),
    });
    this.#textEngine = engine;
    return {
      addon,
      model,
      vocabulary,
      engine,
      log,
      template: this.#template,
      tagTokens: this.#tagTokens(),
      alias: args.alias,
      fingerprint: this.#fingerprint,
      defaults: args.sampling,
      slots: args.slots,
      contextTokens,
    };
  }

  async #loadEmbeddings(): Promise<EmbeddingEngine> {
    const { args, contextTokens } = this.#options;
    // An input is computed in one step, so the batch is as long as the context.
    const sizes = { contextSize: contextTokens, batchSize: contextTokens, sequences: 1 };
    return new EmbeddingEngine(await this.#makeContext({ ...sizes, embeddings: true, ranking: args.mode === "reranking" }), contextTokens);
  }

  async #makeContext(sizes: Omit<ContextOptions, "flashAttention">): Promise<AddonContext> {
    const { args, addon, model } = this.#options;
    const threads = args.threads ?? (model.getTotalSize() < SMALL_MODEL_BYTES ? 1 : undefined);
    const context = new addon.AddonContext(model, {
      ...sizes,
      flashAttention: args.flashAttention,
      ...(threads !== undefined && { threads }),
    });
    if (!(await context.init())) throw new Error(`failed to create context with model '${args.model}'`);
    return context;
  }

  /** The tags of the template that are one control token each, so that they are not left out of the text. */
  #tagTokens(): ReadonlySet<number> {
    const { vocabulary } = this.#options;
    const tokens = this.#template.tags.map((tag) => vocabulary.tokenize(tag, { addSpecial: false }));
    return new Set(tokens.flatMap((found) => (found.length === 1 ? found : [])));
  }
}

/** The add-on starts its threads anew for every step: in a model this small they wait for each other longer than they compute. */
const SMALL_MODEL_BYTES = 64 * 1024 * 1024;

export function vocabularySize(metadata: GgufMetadata): number {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  return typeof tokens === "object" ? tokens.length : 0;
}

/** The version of llama.cpp inside the engine. */
function engineTag(engineFolder: string): string {
  try {
    const path = join(engineFolder, "node_modules", "node-llama-cpp", "llama", "llama.cpp.info.json");
    return String((JSON.parse(readFileSync(path, "utf8")) as { tag?: unknown }).tag);
  } catch {
    return "unknown";
  }
}
