import { OptionTable, optionName, parseOptionsHelp } from "./llama-option.ts";
import { KNOWN_OPTIONS } from "./known-options.ts";

/**
 * Options that change how a model is computed and how its tokens are chosen, and nothing else: none of them names a file, a folder, an
 * address or a program. What is missing here is not forbidden, but for whoever owns the machine to say.
 */
export const TUNING_OPTIONS: ReadonlySet<string> = new Set(
  [
    ["threads", "threads-batch", "batch-size", "ubatch-size", "parallel", "cont-batching", "n-predict", "keep"],
    ["flash-attn", "cache-type-k", "cache-type-v", "kv-offload", "kv-unified", "swa-full", "cache-ram", "cache-reuse", "cache-prompt"],
    ["swa-checkpoints", "checkpoint-min-step", "context-shift", "slot-prompt-similarity", "warmup", "load-mode", "repack", "no-host"],
    ["device", "n-gpu-layers", "split-mode", "tensor-split", "main-gpu", "override-tensor", "cpu-moe", "n-cpu-moe", "n-cpu-ffn"],
    ["fit", "fit-target", "fit-ctx", "op-offload", "mmproj-offload", "image-min-tokens", "image-max-tokens", "pooling", "embd-normalize"],
    ["rope-scaling", "rope-scale", "rope-freq-base", "rope-freq-scale"],
    ["yarn-orig-ctx", "yarn-ext-factor", "yarn-attn-factor", "yarn-beta-slow", "yarn-beta-fast"],
    ["samplers", "sampling-seq", "seed", "temperature", "top-k", "top-p", "min-p", "top-n-sigma", "typical-p", "ignore-eos", "logit-bias"],
    ["repeat-last-n", "repeat-penalty", "presence-penalty", "frequency-penalty", "xtc-probability", "xtc-threshold"],
    ["dry-multiplier", "dry-base", "dry-allowed-length", "dry-penalty-last-n", "dynatemp-range", "dynatemp-exp"],
    ["mirostat", "mirostat-lr", "mirostat-ent", "reasoning", "reasoning-format", "reasoning-effort", "reasoning-budget", "jinja"],
  ].flat(),
);

const NUMBER = /^-\d*\.?\d+$/;

/** The first word of a command line that is neither a value nor the flag of an option that only tunes. */
export function wordBeyondTuning(words: readonly string[]): string | undefined {
  const table = new OptionTable(parseOptionsHelp(KNOWN_OPTIONS));
  const isTuning = (word: string): boolean => {
    const option = table.find(word.replace(/^-+/, ""))?.option;
    // A word that only resembles a flag may be one to some build: it has to be spelled as the list of options spells it.
    return option !== undefined && [...option.flags, ...option.negations].includes(word) && TUNING_OPTIONS.has(optionName(option));
  };
  // The engine takes the word behind some flags for a value whatever it looks like, but no word without a dash for a flag.
  return words.find((word) => word.startsWith("-") && !NUMBER.test(word) && !isTuning(word));
}
