import { mapEventData, type Translation } from "../translation.ts";

interface Choice {
  readonly index?: number;
  readonly text?: string;
}

/** `echo: true` of text completions, which llama-server ignores: the prompt stands before the text of each choice. */
export function echoPrompt(prompt: string): Translation {
  const echoed = new Set<number>();
  const add = (answer: Record<string, unknown>) => ({
    ...answer,
    choices: ((answer["choices"] ?? []) as Choice[]).map((choice) => {
      const { index = 0, text = "" } = choice;
      if (echoed.has(index)) return choice;
      echoed.add(index);
      return { ...choice, text: prompt + text };
    }),
  });
  return {
    events: (text) => mapEventData(text, add),
    whole: (text) => JSON.stringify(add(JSON.parse(text) as Record<string, unknown>)),
  };
}
