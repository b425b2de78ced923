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

test("an argument that is not known is told from one with a wrong value", () => {
  expect(findStartFailure(["error: invalid argument: --nonsense"])?.reason).toBe("unknown_argument");
  for (const what of ["expected value for argument", "stoi"]) {
    expect(findStartFailure([`error while handling argument "--threads": ${what}`])?.reason).toBe("wrong_argument_value");
  }
});

test("a start that the system kills has found too little memory, whatever its last lines say", () => {
  expect(findStartFailure(["failed to read something"], "SIGKILL")?.reason).toBe("out_of_memory");
  expect(findStartFailure([], "SIGSEGV")).toBeUndefined();
});
