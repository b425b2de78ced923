import { DEFAULT_SAMPLING, type SamplingOptions } from "./generation-options.ts";

export interface WorkerArguments {
  /** Folder of the installed engine. */
  readonly engine: string;
  readonly model: string;
  readonly host: string;
  readonly port: number;
  readonly alias: string;
  /** Context of each slot, in tokens; 0 for the length the model was trained with. */
  readonly contextTokens: number;
  readonly slots: number;
  readonly mode: "text" | "embedding" | "reranking";
  /** Absent: as many as the machine's GPU takes. */
  readonly gpuLayers: number | undefined;
  readonly threads: number | undefined;
  readonly batchTokens: number;
  readonly flashAttention: "auto" | boolean;
  readonly apiKeys: readonly string[];
  readonly sampling: SamplingOptions;
}

type Draft = { -readonly [Key in keyof WorkerArguments]: WorkerArguments[Key] };

interface Flag {
  readonly names: readonly string[];
  readonly takesValue: boolean;
  readonly apply: (draft: Draft, value: string) => void;
}

/** llama-server's names for what this worker can do too; a user's extra arguments are written for both engines. */
const FLAGS: readonly Flag[] = [
  text(["--engine"], (draft, value) => (draft.engine = value)),
  text(["--model", "-m"], (draft, value) => (draft.model = value)),
  text(["--host"], (draft, value) => (draft.host = value)),
  text(["--alias", "-a"], (draft, value) => (draft.alias = value)),
  text(["--api-key"], (draft, value) => (draft.apiKeys = value.split(",").filter(Boolean))),
  count(["--port"], (draft, value) => (draft.port = value)),
  count(["--ctx-size", "-c"], (draft, value) => (draft.contextTokens = value)),
  count(["--parallel", "-np"], (draft, value) => (draft.slots = Math.max(value, 1))),
  count(["--threads", "-t"], (draft, value) => (draft.threads = value > 0 ? value : undefined)),
  count(["--batch-size", "-b", "--ubatch-size", "-ub"], (draft, value) => (draft.batchTokens = value)),
  text(["--n-gpu-layers", "--gpu-layers", "-ngl"], (draft, value) => (draft.gpuLayers = gpuLayers(value))),
  text(["--flash-attn", "-fa"], (draft, value) => (draft.flashAttention = value === "auto" ? "auto" : value === "on" || value === "1")),
  toggle(["--embeddings", "--embedding"], (draft) => (draft.mode = draft.mode === "reranking" ? "reranking" : "embedding")),
  toggle(["--reranking", "--rerank"], (draft) => (draft.mode = "reranking")),
  toggle(["--jinja", "--no-webui", "--no-ui", "--cont-batching", "--no-warmup", "--slots"], () => undefined),
  sampling(["--seed", "-s"], (value) => ({ seed: value < 0 ? undefined : value })),
  sampling(["--temp", "--temperature"], (value) => ({ temperature: value })),
  sampling(["--top-k"], (value) => ({ topK: value })),
  sampling(["--top-p"], (value) => ({ topP: value })),
  sampling(["--min-p"], (value) => ({ minP: value })),
  sampling(["--repeat-penalty"], (value) => ({ repeatPenalty: value })),
  sampling(["--repeat-last-n"], (value) => ({ repeatLastTokens: value })),
  sampling(["--presence-penalty"], (value) => ({ presencePenalty: value })),
  sampling(["--frequency-penalty"], (value) => ({ frequencyPenalty: value })),
];

/** Every spelling that the worker takes. */
export const WORKER_FLAGS: ReadonlySet<string> = new Set(FLAGS.flatMap(({ names }) => names));

/** Throws with llama-server's words about an argument that it would not take either. */
export function parseWorkerArguments(args: readonly string[]): WorkerArguments {
  const draft: Draft = {
    engine: "",
    model: "",
    host: "127.0.0.1",
    port: 8080,
    alias: "",
    contextTokens: 0,
    slots: 1,
    mode: "text",
    gpuLayers: undefined,
    threads: undefined,
    batchTokens: 512,
    flashAttention: "auto",
    apiKeys: [],
    sampling: DEFAULT_SAMPLING,
  };
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = splitInline(args[i] ?? "");
    const flag = FLAGS.find(({ names }) => names.includes(name));
    if (flag === undefined) throw new Error(`error: invalid argument: ${name}`);
    const value = flag.takesValue ? (inline ?? args[++i]) : "";
    if (value === undefined) throw new Error(`error while handling argument "${name}": expected value for argument`);
    try {
      flag.apply(draft, value);
    } catch (error) {
      throw new Error(`error while handling argument "${name}": ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  for (const required of ["engine", "model"] as const) if (draft[required] === "") throw new Error(`error: --${required} is missing`);
  return { ...draft, alias: draft.alias === "" ? draft.model : draft.alias };
}

function splitInline(argument: string): [name: string, value: string | undefined] {
  const at = argument.startsWith("--") ? argument.indexOf("=") : -1;
  return at === -1 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function text(names: readonly string[], apply: Flag["apply"]): Flag {
  return { names, takesValue: true, apply };
}

function toggle(names: readonly string[], apply: (draft: Draft) => void): Flag {
  return { names, takesValue: false, apply };
}

function number(names: readonly string[], apply: (draft: Draft, value: number) => void): Flag {
  return text(names, (draft, value) => {
    const parsed = Number(value);
    if (value.trim() === "" || Number.isNaN(parsed)) throw new Error(`${JSON.stringify(value)} is not a number`);
    apply(draft, parsed);
  });
}

function count(names: readonly string[], apply: (draft: Draft, value: number) => void): Flag {
  return number(names, (draft, value) => {
    if (!Number.isInteger(value)) throw new Error(`${value} is not an integer`);
    apply(draft, value);
  });
}

function sampling(names: readonly string[], change: (value: number) => Partial<SamplingOptions>): Flag {
  return number(names, (draft, value) => (draft.sampling = { ...draft.sampling, ...change(value) }));
}

function gpuLayers(value: string): number | undefined {
  if (value === "auto" || value === "all") return undefined;
  const layers = Number(value);
  if (!Number.isInteger(layers)) throw new Error(`${JSON.stringify(value)} is neither a number nor "auto" nor "all"`);
  return layers < 0 ? undefined : layers;
}
