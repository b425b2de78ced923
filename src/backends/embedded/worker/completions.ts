import { asApiError, invalidRequest, promptTooLong } from "./api-error.ts";
import { planChat } from "./chat-plan.ts";
import type { ChatTemplate } from "./chat-template.ts";
import { EventStream } from "./event-stream.ts";
import type { GenerationCounts } from "./generation.ts";
import { generationOptions, type GenerationOptions, type SamplingOptions } from "./generation-options.ts";
import { jsonAnswerGrammar } from "./grammar/tool-call-grammar.ts";
import type { OutputDelta } from "./output-delta.ts";
import { OutputParser } from "./output-parser.ts";
import { randomId } from "./random-id.ts";
import {
  chatChunk,
  chatCompletion,
  deltaReply,
  messageReply,
  ROLE_DELTA,
  textCompletion,
  timings,
  usage,
  type ReplyHead,
  type TokenLogprob,
} from "./replies.ts";
import { field, type RequestBody, textField } from "./request-fields.ts";
import { runAnswer, type AnswerEnd, type AnswerMachine, type AnswerPiece, type AnswerTask } from "./run-answer.ts";

export interface CompletionContext extends AnswerMachine {
  readonly template: ChatTemplate;
  /** Control tokens of the template's tags, which belong to the text of a chat answer. */
  readonly tagTokens: ReadonlySet<number>;
  readonly alias: string;
  readonly fingerprint: string;
  readonly defaults: SamplingOptions;
  readonly slots: number;
  readonly contextTokens: number;
}

type Run = Omit<AnswerTask, "onPiece" | "onStart" | "onProgress" | "signal">;

/** How the answers of one endpoint look. */
interface Style {
  readonly whole: (head: ReplyHead, answers: readonly WholeAnswer[], counts: GenerationCounts) => unknown;
  readonly piece: (head: ReplyHead, index: number, piece: AnswerPiece, extra: Record<string, unknown>) => readonly unknown[];
  /** The first chunk of a choice, where there is one. */
  readonly opening: (head: ReplyHead, index: number, extra: Record<string, unknown>) => readonly unknown[];
  readonly closing: (head: ReplyHead, index: number, end: AnswerEnd, includesUsage: boolean) => unknown;
  readonly usage: (head: ReplyHead, counts: GenerationCounts) => unknown;
}

interface WholeAnswer extends AnswerEnd {
  readonly deltas: readonly OutputDelta[];
  readonly logprobs: readonly TokenLogprob[];
}

export async function chatCompletions(context: CompletionContext, body: RequestBody, signal: AbortSignal): Promise<Response> {
  const options = generationOptions(body, { defaults: context.defaults, slots: context.slots });
  if (options.isStream && options.probabilityCount > 0 && Array.isArray(body["tools"]) && body["tools"].length > 0) {
    throw invalidRequest("logprobs is not supported with tools + stream");
  }
  const plan = planChat(body, context.template, randomId);
  const prompt = context.vocabulary.tokenize(plan.prompt, { addSpecial: true });
  const run: Run = {
    prompt,
    options,
    sampling: options.sampling,
    grammar: plan.grammar,
    newReader: plan.newReader,
    shownTokens: context.tagTokens,
  };
  return await answer(context, { runs: [run], options, style: chatStyle(plan.prefill), signal });
}

export async function textCompletions(context: CompletionContext, body: RequestBody, signal: AbortSignal): Promise<Response> {
  const options = generationOptions(body, { defaults: context.defaults, slots: context.slots });
  const schema = field(body, "json_schema")?.value;
  const gbnf = textField(body, "grammar") ?? (schema === undefined ? undefined : jsonAnswerGrammar(schema, {}));
  const grammar = gbnf === undefined ? undefined : ({ gbnf, from: "start" } as const);
  const runs = promptsOf(body["prompt"]).map((prompt): Run => {
    const tokens = tokensOfPrompt(context, prompt);
    return { prompt: tokens, options, sampling: options.sampling, grammar, newReader: () => new OutputParser({}), shownTokens: NO_TOKENS };
  });
  return await answer(context, { runs, options, style: TEXT_STYLE, signal });
}

const NO_TOKENS: ReadonlySet<number> = new Set();

interface AnswerRequest {
  readonly runs: readonly Run[];
  readonly options: GenerationOptions;
  readonly style: Style;
  readonly signal: AbortSignal;
}

async function answer(context: CompletionContext, request: AnswerRequest): Promise<Response> {
  const { options } = request;
  for (const { prompt } of request.runs) {
    if (prompt.length >= context.contextTokens) throw promptTooLong(prompt.length, context.contextTokens);
  }
  const runs = request.runs.flatMap((run) => Array.from({ length: options.choiceCount }, (_choice, i) => withSeed(run, i)));
  const head = {
    id: `chatcmpl-${randomId()}`,
    created: Math.floor(Date.now() / 1000),
    model: context.alias,
    fingerprint: context.fingerprint,
  };
  return options.isStream ? await streamed(context, { ...request, runs, head }) : await whole(context, { ...request, runs, head });
}

/** Several choices with one seed would all be the same. */
function withSeed(run: Run, choice: number): Run {
  const { seed } = run.sampling;
  return seed === undefined || choice === 0 ? run : { ...run, sampling: { ...run.sampling, seed: (seed + choice) % 2 ** 32 } };
}

interface PreparedRequest extends AnswerRequest {
  readonly head: ReplyHead;
}

async function whole(context: CompletionContext, { runs, head, style, signal }: PreparedRequest): Promise<Response> {
  const answers = await Promise.all(
    runs.map(async (run): Promise<WholeAnswer> => {
      const deltas: OutputDelta[] = [];
      const logprobs: TokenLogprob[] = [];
      const onPiece = (piece: AnswerPiece): void => {
        deltas.push(...piece.deltas);
        logprobs.push(...piece.logprobs);
      };
      return { deltas, logprobs, ...(await runAnswer(context, { ...run, signal, onPiece })) };
    }),
  );
  const counts = answers[0]?.counts;
  if (counts === undefined) throw invalidRequest("Prompt is empty");
  return jsonResponse(style.whole(head, answers, counts));
}

async function streamed(context: CompletionContext, { runs, head, style, options, signal }: PreparedRequest): Promise<Response> {
  const events = new EventStream({ pingIntervalSeconds: options.pingIntervalSeconds });
  const stop = AbortSignal.any([signal, events.signal]);
  const started = Promise.withResolvers<void>();
  const answers = runs.map(async (run, index) => {
    let isOpen = false;
    let startedMs: number | undefined;
    const extra = (counts: () => GenerationCounts): Record<string, unknown> =>
      options.timesEachToken ? { timings: timings(counts()) } : {};
    const end = await runAnswer(context, {
      ...run,
      signal: stop,
      onStart: started.resolve,
      onProgress: options.reportsProgress
        ? (processed, cache) => {
            startedMs ??= performance.now();
            const progress = { total: run.prompt.length, cache, processed, time_ms: Math.round(performance.now() - startedMs) };
            for (const chunk of style.opening(head, index, { prompt_progress: progress })) events.send(chunk);
          }
        : undefined,
      onPiece: (piece) => {
        if (!isOpen) for (const chunk of style.opening(head, index, {})) events.send(chunk);
        isOpen = true;
        for (const chunk of style.piece(head, index, piece, extra(piece.counts))) events.send(chunk);
      },
    });
    events.send(style.closing(head, index, end, options.includesUsage));
    return end;
  });
  const all = Promise.all(answers);
  all.then(() => started.resolve(), started.reject);
  // Headers leave with the begin of the work; until then a failure is an answer of its own.
  await started.promise.catch((error: unknown) => {
    events.close();
    throw error;
  });
  void all
    .then((ends) => {
      const counts = ends[0]?.counts;
      const last = options.includesUsage && counts !== undefined ? style.usage(head, counts) : undefined;
      if (last !== undefined) events.send(last);
      events.send("[DONE]");
    })
    .catch((error: unknown) => {
      if (!stop.aborted) events.send(asApiError(error).toBody());
    })
    .finally(() => events.close());
  return new Response(events.body, { headers: { "content-type": "text/event-stream", "x-accel-buffering": "no" } });
}

function chatStyle(prefill: string): Style {
  return {
    whole: (head, answers, counts) =>
      chatCompletion(
        head,
        answers.map(({ deltas, finishReason, logprobs }, index) => {
          const message = messageReply(deltas);
          return { index, message: { ...message, content: prefill + message.content }, finishReason, logprobs };
        }),
        counts,
      ),
    opening: (head, index, extra) => {
      const chunks = [chatChunk(head, { index, delta: ROLE_DELTA, finishReason: null }, extra)];
      if (prefill !== "" && !("prompt_progress" in extra))
        chunks.push(chatChunk(head, { index, delta: { content: prefill }, finishReason: null }));
      return chunks;
    },
    piece: (head, index, { deltas, logprobs }, extra) =>
      deltas.map((delta, i) =>
        chatChunk(head, { index, delta: deltaReply(delta), finishReason: null, logprobs: i === 0 ? logprobs : undefined }, extra),
      ),
    closing: (head, index, { finishReason, counts }, includesUsage) =>
      chatChunk(head, { index, delta: {}, finishReason }, includesUsage ? {} : { timings: timings(counts) }),
    usage: (head, counts) => chatChunk(head, undefined, { usage: usage(counts), timings: timings(counts) }),
  };
}

const textFinish = (end: AnswerEnd): "stop" | "length" => (end.finishReason === "length" ? "length" : "stop");
const joinedText = (deltas: readonly OutputDelta[]): string => deltas.map((delta) => delta.text).join("");

const TEXT_STYLE: Style = {
  whole: (head, answers, counts) =>
    textCompletion(
      head,
      answers.map((one, index) => ({ index, text: joinedText(one.deltas), finishReason: textFinish(one), logprobs: one.logprobs })),
      counts,
    ),
  opening: () => [],
  piece: (head, index, { deltas, logprobs }, extra) => [
    { ...textCompletion(head, [{ index, text: joinedText(deltas), finishReason: null, logprobs }]), ...extra },
  ],
  closing: (head, index, end) => textCompletion(head, [{ index, text: "", finishReason: textFinish(end), logprobs: [] }], end.counts),
  usage: () => undefined,
};

type Prompt = string | readonly (string | number)[];

/** A text, tokens, a mix of both, or a list of such prompts. */
function promptsOf(prompt: unknown): readonly Prompt[] {
  if (prompt === undefined || prompt === null) throw invalidRequest("[json.exception.out_of_range.403] key 'prompt' not found");
  if (typeof prompt === "string") return [prompt];
  if (!Array.isArray(prompt) || prompt.length === 0) throw invalidRequest('"prompt" must not be empty');
  if (prompt.some((part) => typeof part === "number")) return [checkedParts(prompt)];
  return prompt.map((one: unknown) => (typeof one === "string" ? one : checkedParts(one)));
}

function checkedParts(parts: unknown): readonly (string | number)[] {
  if (Array.isArray(parts) && parts.every((part) => typeof part === "string" || (Number.isInteger(part) && part >= 0))) return parts;
  throw invalidRequest(
    '"prompt" elements must be a string, a list of tokens, a JSON object containing a prompt string, or a list of mixed strings & tokens.',
  );
}

function tokensOfPrompt({ vocabulary }: CompletionContext, prompt: Prompt): readonly number[] {
  if (typeof prompt === "string") return vocabulary.tokenize(prompt, { addSpecial: true });
  return prompt.flatMap((part, i) => (typeof part === "number" ? [part] : vocabulary.tokenize(part, { addSpecial: i === 0 })));
}

export function jsonResponse(body: unknown, status = 200): Response {
  // The engine closes connections after errors, as llama-server does.
  const headers = { "content-type": "application/json; charset=utf-8", ...(status >= 400 && { connection: "close" }) };
  return new Response(JSON.stringify(body), { status, headers });
}
