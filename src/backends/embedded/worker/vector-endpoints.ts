import { ApiError, invalidRequest } from "./api-error.ts";
import { jsonResponse } from "./completions.ts";
import type { EmbeddingEngine } from "./embedding-engine.ts";
import type { LoadedModel } from "./loaded-model.ts";
import { textOf } from "./model-metadata.ts";
import { isObject, numberField, type RequestBody, textField } from "./request-fields.ts";

export async function embeddings(loaded: LoadedModel, body: RequestBody, signal: AbortSignal): Promise<Response> {
  const engine = engineFor(loaded, "embedding");
  const format = textField(body, "encoding_format") ?? "float";
  if (format !== "float" && format !== "base64")
    throw invalidRequest("The format to return the embeddings in. Can be either float or base64");
  const norm = numberField(body, ["embd_normalize"]) ?? EUCLIDEAN;
  const inputs = inputsOf(body["input"] ?? body["content"]).map((input) => tokensOf(loaded, input));
  const vectors = await Promise.all(inputs.map((tokens) => engine.embed(tokens, signal)));
  const data = vectors.map((vector, index) => {
    const values = normalized(vector, norm);
    const embedding = format === "float" ? Array.from(values) : Buffer.from(values.buffer).toString("base64");
    return { embedding, index, object: "embedding", ...(format === "base64" && { encoding_format: "base64" }) };
  });
  return jsonResponse({ model: textField(body, "model") ?? loaded.arguments.alias, object: "list", usage: usageOf(inputs), data });
}

export async function rerank(loaded: LoadedModel, body: RequestBody, signal: AbortSignal): Promise<Response> {
  const engine = engineFor(loaded, "reranking");
  const query = body["query"];
  if (typeof query !== "string") throw invalidRequest(query === undefined ? '"query" must be provided' : '"query" must be a string');
  const isTei = body["texts"] !== undefined;
  const documents = body["documents"] ?? body["texts"];
  if (!Array.isArray(documents) || documents.length === 0) throw invalidRequest('"documents" must be a non-empty string array');
  const texts = documents.map((document: unknown) => textOfDocument(document));
  const inputs = texts.map((document) => rerankTokens(loaded, query, document));
  const scores = await Promise.all(inputs.map(async (tokens) => (await engine.embed(tokens, signal))[0] ?? 0));
  const top = numberField(body, ["top_n"]) ?? texts.length;
  const ranked = scores
    .map((score, index) => ({ score, index }))
    .toSorted((a, b) => b.score - a.score)
    .slice(0, top);
  if (isTei) {
    return jsonResponse(ranked.map(({ score, index }) => ({ index, score, ...(body["return_text"] === true && { text: texts[index] }) })));
  }
  const results = ranked.map(({ score, index }) => ({ index, relevance_score: score }));
  return jsonResponse({ model: textField(body, "model") ?? loaded.arguments.alias, object: "list", usage: usageOf(inputs), results });
}

function engineFor({ embeddings, arguments: { mode } }: LoadedModel, wanted: "embedding" | "reranking"): EmbeddingEngine {
  if (embeddings !== undefined && mode === wanted) return embeddings;
  const [feature, flag] = wanted === "embedding" ? ["embeddings", "--embeddings"] : ["reranking", "--reranking"];
  throw new ApiError("not_supported_error", `This server does not support ${feature}. Start it with \`${flag}\``);
}

type Input = string | readonly (string | number)[];

/** A text, tokens, a mix of both, or a list of such inputs. */
function inputsOf(input: unknown): readonly Input[] {
  if (input === undefined || input === null) throw invalidRequest('"input" or "content" must be provided');
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.length === 0) throw invalidRequest('"input" must not be empty');
  // As in llama-server, a number makes the list one input, whatever stands beside it.
  if (input.some((part) => typeof part === "number")) return [checkedParts(input)];
  return input.map((one: unknown) => (typeof one === "string" ? one : checkedParts(one)));
}

function checkedParts(parts: unknown): readonly (string | number)[] {
  if (Array.isArray(parts) && parts.every((part) => typeof part === "string" || Number.isInteger(part))) return parts;
  throw invalidRequest('"input" must be a string, a list of tokens, or a list of these');
}

function tokensOf({ vocabulary }: LoadedModel, input: Input): readonly number[] {
  if (typeof input === "string") return vocabulary.tokenize(input, { addSpecial: true });
  return input.flatMap((part, i) => (typeof part === "number" ? [part] : vocabulary.tokenize(part, { addSpecial: i === 0 })));
}

function textOfDocument(document: unknown): string {
  if (typeof document === "string") return document;
  if (isObject(document) && typeof document["text"] === "string") return document["text"];
  throw invalidRequest('"documents" must be a non-empty string array');
}

/** `[BOS] query [EOS] [SEP] document [EOS]`, or the model's own template for it. */
function rerankTokens({ vocabulary, model, metadata }: LoadedModel, query: string, document: string): readonly number[] {
  const template = textOf(metadata, "tokenizer.chat_template.rerank");
  if (template !== undefined) {
    const prompt = template.replaceAll("{query}", () => query).replaceAll("{document}", () => document);
    return vocabulary.tokenize(prompt, { addSpecial: false });
  }
  const separator = model.sepToken();
  const end = vocabulary.eos === -1 ? separator : vocabulary.eos;
  const closing = vocabulary.addsEos || vocabulary.type === WORD_PIECE ? [end] : [];
  const between = separator !== -1 && separator !== end ? [separator] : [];
  return [
    ...(vocabulary.addsBos ? [vocabulary.bos] : []),
    ...vocabulary.tokenize(query, { addSpecial: false, parseSpecial: false }),
    ...closing,
    ...between,
    ...vocabulary.tokenize(document, { addSpecial: false, parseSpecial: false }),
    ...closing,
  ];
}

const WORD_PIECE = 3;
/** Values of `embd_normalize`: -1 none, 0 by the largest value, 2 by length, others by that p-norm. */
const EUCLIDEAN = 2;

function normalized(vector: Float64Array, norm: number): Float32Array {
  if (norm < 0) return Float32Array.from(vector);
  let size = 0;
  if (norm === 0) for (const value of vector) size = Math.max(size, Math.abs(value) / 32_760);
  else if (norm === EUCLIDEAN) size = Math.hypot(...vector);
  else size = vector.reduce((sum, value) => sum + Math.abs(value) ** norm, 0) ** (1 / norm);
  return Float32Array.from(vector, (value) => (size > 0 ? value / size : 0));
}

function usageOf(inputs: readonly (readonly number[])[]): { prompt_tokens: number; total_tokens: number } {
  const tokens = inputs.reduce((sum, input) => sum + input.length, 0);
  return { prompt_tokens: tokens, total_tokens: tokens };
}
