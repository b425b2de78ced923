import type { ReasoningTags } from "./output-parser.ts";

/** How models mark what they think; the end tag decides, for some templates write the start tag only into the prompt. */
const KNOWN_TAGS: readonly ReasoningTags[] = [
  { start: "<think>", end: "</think>" },
  { start: "[THINK]", end: "[/THINK]" },
  { start: "<seed:think>", end: "</seed:think>" },
  { start: "<|channel>thought", end: "<channel|>" },
  { start: "<|START_THINKING|>", end: "<|END_THINKING|>" },
  { start: "<|inner_prefix|>", end: "<|inner_suffix|>" },
];

/** The tags that a chat template knows. */
export function thinkTagsOf(template: string): ReasoningTags | undefined {
  return KNOWN_TAGS.find(({ end }) => template.includes(end));
}

/** Whether a prompt ends inside a block of reasoning, so that the answer begins there. */
export function endsInsideThinking(prompt: string, { start, end }: ReasoningTags): boolean {
  const opened = prompt.lastIndexOf(start);
  return opened !== -1 && prompt.slice(opened + start.length).trim() === "" && opened > prompt.lastIndexOf(end);
}
