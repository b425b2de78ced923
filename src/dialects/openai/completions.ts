import { mapEventData, type Translation } from "../translation.ts";

export interface CompletionWishes {
  /** The prompts that are echoed, in order; none when there shall be no echo. */
  readonly echoed?: readonly string[] | undefined;
  /** How many answers each prompt gets. Defaults to one. */
  readonly choicesPerPrompt?: number | undefined;
}

interface Choice {
  readonly index?: number;
  readonly text?: string;
  readonly logprobs?: { readonly content?: readonly TokenLogprob[] } | null;
}

interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs?: readonly { readonly token: string; readonly logprob: number }[];
}

/**
 * What engines leave out of text completions: `echo`, the prompt before the text of each of its choices, and the four lists of
 * `logprobs`, beside the chat's form that llama.cpp has here too.
 */
export function completionsAsAsked({ echoed, choicesPerPrompt = 1 }: CompletionWishes): Translation {
  const places = new Map<number, { hasBegun: boolean; offset: number }>();
  const add = (choice: Choice): Choice => {
    const { index = 0, text = "", logprobs } = choice;
    const prompt = echoed?.[Math.floor(index / choicesPerPrompt)] ?? "";
    const place = places.get(index) ?? { hasBegun: false, offset: prompt.length };
    places.set(index, place);
    const shown = place.hasBegun ? text : prompt + text;
    place.hasBegun = true;
    const tokens = logprobs?.content;
    return { ...choice, text: shown, ...(tokens && { logprobs: { ...logprobs, ...listsOf(tokens, place) } }) };
  };
  const translate = (answer: Record<string, unknown>) => ({ ...answer, choices: ((answer["choices"] ?? []) as Choice[]).map(add) });
  return {
    events: (text) => mapEventData(text, (event) => ("error" in event ? event : translate(event))),
    whole: (text) => JSON.stringify(translate(JSON.parse(text) as Record<string, unknown>)),
  };
}

/** `place` is where the first of these tokens begins in the text; it moves on. */
function listsOf(content: readonly TokenLogprob[], place: { offset: number }): Record<string, readonly unknown[]> {
  const offsets = content.map(({ token }) => {
    place.offset += token.length;
    return place.offset - token.length;
  });
  return {
    tokens: content.map(({ token }) => token),
    token_logprobs: content.map(({ logprob }) => logprob),
    top_logprobs: content.map(({ top_logprobs: top = [] }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: offsets,
  };
}

/** The prompts of a completion, each in its parts: a number or an array of numbers are tokens. */
export function promptsOf(prompt: unknown): readonly (readonly (string | readonly number[])[])[] {
  if (!Array.isArray(prompt)) return [[partOf(prompt)]];
  const parts: readonly unknown[] = prompt;
  // Tokens that stand alone are one prompt together with what is beside them, as in llama.cpp.
  if (parts.some((part) => typeof part === "number")) return [parts.map(partOf)];
  return parts.map((part) => [partOf(part)]);
}

function partOf(part: unknown): string | readonly number[] {
  if (typeof part === "number") return [part];
  if (typeof part === "string") return part;
  return Array.isArray(part) ? (part as number[]) : (part as { prompt_string: string }).prompt_string; // The endpoint has checked it.
}
