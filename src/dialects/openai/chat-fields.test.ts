import { expect, test } from "bun:test";
import { engineChatFields } from "./chat-fields.ts";

const user = (content: unknown) => ({ role: "user", content });
const text = (words: string) => ({ type: "text", text: words });

test("a request that engines read stays as it is", () => {
  const messages = [user("a"), { role: "assistant", content: "b" }, user("c")];
  for (const isOfPage of [true, false]) expect(engineChatFields({ model: "m", messages }, { isOfPage })).toBeUndefined();
  expect(engineChatFields({ messages: [user("a"), user("b")] }, { isOfPage: false })).toBeUndefined();
});

test("raw beside an answer goes, and turns of the user in a row become one", () => {
  const messages = [user("a"), { role: "assistant", content: "b", raw: "<think>x</think>b" }, user("c"), user("d"), user([text("e")])];
  expect(engineChatFields({ messages, stream: true }, { isOfPage: true })).toEqual({
    messages: [user("a"), { role: "assistant", content: "b" }, user([text("c\n\nd"), text("e")])],
    stream: true,
  });
});

test("turns that say more than their text stay apart", () => {
  const messages = [
    { ...user("a"), name: "Ann" },
    { ...user("b"), name: "Bob" },
  ];
  expect(engineChatFields({ messages }, { isOfPage: true })).toBeUndefined();
});

test("a wish about thinking goes to the template, where it does not win over what stands there", () => {
  expect(engineChatFields({ enable_thinking: false }, { isOfPage: false })).toMatchObject({
    chat_template_kwargs: { enable_thinking: false },
  });
  const both = { enable_thinking: false, chat_template_kwargs: { enable_thinking: true, x: 1 } };
  expect(engineChatFields(both, { isOfPage: false })?.["chat_template_kwargs"]).toEqual({ enable_thinking: true, x: 1 });
});
