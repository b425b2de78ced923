import { expect, test } from "bun:test";
import { endsInsideThinking, thinkTagsOf } from "./think-tags.ts";

const TAGS = { start: "<think>", end: "</think>" };

test("the tags of a template are known by their end", () => {
  expect(thinkTagsOf("{{ content.split('</think>') }}")).toEqual(TAGS);
  expect(thinkTagsOf("[THINK]{{ thought }}[/THINK]")).toEqual({ start: "[THINK]", end: "[/THINK]" });
  expect(thinkTagsOf("{{ content }}")).toBeUndefined();
});

test("a prompt that ends with the start tag leaves the thought open", () => {
  expect(endsInsideThinking("<|im_start|>assistant\n<think>\n", TAGS)).toBe(true);
});

test("a prompt with an empty thought, or none, leaves nothing open", () => {
  expect(endsInsideThinking("<|im_start|>assistant\n<think>\n\n</think>\n\n", TAGS)).toBe(false);
  expect(endsInsideThinking("user: what is <think>?\nassistant:", TAGS)).toBe(false);
});
