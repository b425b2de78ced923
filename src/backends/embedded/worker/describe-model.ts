import type { GenerationCounts } from "./generation.ts";
import type { SamplingOptions } from "./generation-options.ts";
import { vocabularySize, type LoadedModel } from "./loaded-model.ts";
import { numberOf } from "./model-metadata.ts";

/** The model as `/v1/models` lists it, and as the ready line carries it. */
export function modelEntry(loaded: LoadedModel): Record<string, unknown> {
  const { model, metadata, vocabulary } = loaded;
  const { alias } = loaded.arguments;
  return {
    id: alias,
    aliases: [alias],
    tags: [],
    object: "model",
    created: Math.floor(Date.now() / 1000),
    owned_by: "llamacpp",
    meta: {
      vocab_type: vocabulary.type,
      n_vocab: vocabularySize(metadata),
      n_ctx: loaded.contextTokens,
      n_ctx_train: model.getTrainContextSize(),
      n_embd: model.getEmbeddingVectorSize(),
      n_params: model.getTotalParameters(),
      size: model.getTotalSize(),
      ftype: FILE_TYPES[numberOf(metadata, "general.file_type") ?? -1] ?? "unknown",
    },
  };
}

export function modelList(loaded: LoadedModel): Record<string, unknown> {
  const { alias } = loaded.arguments;
  const details = { parent_model: "", format: "gguf", family: "", families: [""], parameter_size: "", quantization_level: "" };
  const empty = { modified_at: "", size: "", digest: "", description: "", parameters: "" };
  return {
    models: [{ ...empty, name: alias, model: alias, type: "model", tags: [""], capabilities: ["completion"], details }],
    object: "list",
    data: [modelEntry(loaded)],
  };
}

export function serverProperties(loaded: LoadedModel): Record<string, unknown> {
  const { template, vocabulary } = loaded;
  const { abilities } = template;
  const args = loaded.arguments;
  const special = (token: number): string => (token === -1 ? "" : vocabulary.text([token], { showsSpecial: true }));
  return {
    default_generation_settings: { params: samplingReply(args.sampling), n_ctx: loaded.contextTokens },
    total_slots: args.slots,
    model_alias: args.alias,
    model_path: args.model,
    modalities: { vision: false, video: false, audio: false },
    endpoint_slots: true,
    endpoint_props: false,
    endpoint_metrics: false,
    chat_template: template.source,
    chat_template_caps: {
      supports_object_arguments: abilities.takesObjectArguments,
      supports_parallel_tool_calls: abilities.takesParallelCalls,
      supports_preserve_reasoning: false,
      supports_reasoning_effort: template.source.includes("reasoning_effort"),
      supports_string_content: abilities.takesText,
      supports_system_role: abilities.takesSystem,
      supports_tool_calls: abilities.takesToolCalls,
      supports_tools: abilities.takesTools,
      supports_typed_content: abilities.takesParts,
    },
    bos_token: special(vocabulary.bos),
    eos_token: special(vocabulary.eos),
    build_info: loaded.fingerprint,
    is_sleeping: false,
  };
}

/** One object per slot; a slot that has never worked shows only its place. */
export function slotList(loaded: LoadedModel): readonly Record<string, unknown>[] {
  const { textEngine, embeddings, contextTokens } = loaded;
  const place = (id: number, isProcessing: boolean): Record<string, unknown> => ({
    id,
    n_ctx: contextTokens,
    speculative: false,
    is_processing: isProcessing,
  });
  if (textEngine === undefined) return [place(0, embeddings?.isProcessing === true)];
  return textEngine.slots.map(({ id, task }) => {
    const isEmbedding = id === 0 && embeddings?.isProcessing === true;
    if (task === undefined) return place(id, isEmbedding);
    return { ...place(id, true), ...taskReply(task.counts(), task.request.maxTokens), params: samplingReply(task.request.sampling) };
  });
}

function taskReply(counts: GenerationCounts, maxTokens: number | undefined): Record<string, unknown> {
  const left = maxTokens === undefined ? -1 : maxTokens - counts.generatedTokens;
  return {
    n_prompt_tokens: counts.promptTokens,
    n_prompt_tokens_cache: counts.cachedTokens,
    next_token: [{ has_next_token: true, has_new_line: false, n_remain: left, n_decoded: counts.generatedTokens }],
  };
}

function samplingReply(sampling: SamplingOptions): Record<string, unknown> {
  return {
    seed: sampling.seed ?? 0xffff_ffff,
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    min_p: sampling.minP,
    xtc_probability: sampling.xtcProbability,
    xtc_threshold: sampling.xtcThreshold,
    repeat_last_n: sampling.repeatLastTokens,
    repeat_penalty: sampling.repeatPenalty,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    dry_multiplier: sampling.dryMultiplier,
    dry_base: sampling.dryBase,
    dry_allowed_length: sampling.dryAllowedLength,
    dry_penalty_last_n: sampling.dryLastTokens,
  };
}

/** Names of llama.cpp for `general.file_type`. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: "all F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  7: "Q8_0",
  8: "Q5_0",
  9: "Q5_1",
  10: "Q2_K - Medium",
  11: "Q3_K - Small",
  12: "Q3_K - Medium",
  13: "Q3_K - Large",
  14: "Q4_K - Small",
  15: "Q4_K - Medium",
  16: "Q5_K - Small",
  17: "Q5_K - Medium",
  18: "Q6_K",
  19: "IQ2_XXS - 2.0625 bpw",
  20: "IQ2_XS - 2.3125 bpw",
  21: "Q2_K - Small",
  22: "IQ3_XS - 3.3 bpw",
  23: "IQ3_XXS - 3.0625 bpw",
  24: "IQ1_S - 1.5625 bpw",
  25: "IQ4_NL - 4.5 bpw",
  26: "IQ3_S - 3.4375 bpw",
  27: "IQ3_S mix - 3.66 bpw",
  28: "IQ2_S - 2.5 bpw",
  29: "IQ2_M - 2.7 bpw",
  30: "IQ4_XS - 4.25 bpw",
  31: "IQ1_M - 1.75 bpw",
  32: "BF16",
  38: "MXFP4 MoE",
};
