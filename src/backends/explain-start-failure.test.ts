import { expect, test } from "bun:test";
import { findStartFailure } from "./explain-start-failure.ts";

test("a line that only speaks of the chat template is no cause; a complaint about it is", () => {
  const harmless = ["srv          init: chat template, thinking = 0", "main: chat template example: <|user|>hi", "--chat-template chatml"];
  expect(findStartFailure(harmless)).toBeUndefined();
  for (const line of [
    "common_chat_templates_init: failed to parse chat template (defaulting to chatml): unexpected token",
    "error: the supplied chat template is not supported: nonsense",
    "srv    load_model: chat template parsing error: expected value",
  ]) {
    expect(findStartFailure([...harmless, line])?.reason).toBe("bad_chat_template");
  }
});

test("a start that the system kills has found too little memory, whatever its last lines say", () => {
  expect(findStartFailure(["failed to read something"], "SIGKILL")?.reason).toBe("out_of_memory");
  expect(findStartFailure([], "SIGSEGV")).toBeUndefined();
});
