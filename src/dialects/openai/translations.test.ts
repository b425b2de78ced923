import { expect, test } from "bun:test";
import { completionsAsAsked, promptsOf } from "./completions.ts";
import { simpleResponses } from "./simple-responses.ts";

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;

test("an echoed prompt stands once before the text of each choice, streamed or not", () => {
  expect(JSON.parse(completionsAsAsked({ echoed: ["Once "] }).whole('{"choices":[{"index":0,"text":"upon"}],"usage":{}}'))).toEqual({
    choices: [{ index: 0, text: "Once upon" }],
    usage: {},
  });
  const echo = completionsAsAsked({ echoed: ["Once "] });
  expect(echo.events(event({ choices: [{ index: 0, text: "upon" }] }))).toBe(event({ choices: [{ index: 0, text: "Once upon" }] }));
  expect(echo.events(event({ choices: [{ index: 0, text: " a" }] }) + "data: [DONE]\n\n")).toBe(
    event({ choices: [{ index: 0, text: " a" }] }) + "data: [DONE]\n\n",
  );
});

test("of several prompts with several choices each choice has its own", () => {
  const { whole } = completionsAsAsked({ echoed: ["a", "b"], choicesPerPrompt: 2 });
  const answer = JSON.parse(whole(JSON.stringify({ choices: [0, 1, 2, 3].map((index) => ({ index, text: "!" })) }))) as unknown;
  expect(answer).toEqual({ choices: ["a!", "a!", "b!", "b!"].map((text, index) => ({ index, text })) });
});

test("the lists of logprobs count from the beginning of the text, over all events", () => {
  const { events } = completionsAsAsked({ echoed: ["Hi"] });
  const piece = (token: string) => ({
    index: 0,
    text: token,
    logprobs: { content: [{ token, logprob: -1, top_logprobs: [{ token, logprob: -1 }] }] },
  });
  const lists = (token: string, offset: number) => ({
    tokens: [token],
    token_logprobs: [-1],
    top_logprobs: [{ [token]: -1 }],
    text_offset: [offset],
  });
  const parse = (text: string) => JSON.parse(text.slice("data: ".length)) as unknown;
  expect(parse(events(event({ choices: [piece(" you")] })))).toMatchObject({ choices: [{ text: "Hi you", logprobs: lists(" you", 2) }] });
  expect(parse(events(event({ choices: [piece("!")] })))).toMatchObject({ choices: [{ text: "!", logprobs: lists("!", 6) }] });
});

test("an event that says nothing, and an error, are not taken for an answer", () => {
  const { events } = completionsAsAsked({ echoed: ["Hi"] });
  expect(events("data: null\n\n")).toBe("");
  expect(events(event({ error: { message: "x" } }))).toBe(event({ error: { message: "x" } }));
});

test.each([
  ["a", [["a"]]],
  [{ prompt_string: "a" }, [["a"]]],
  [
    ["a", "b"],
    [["a"], ["b"]],
  ],
  [[1, 2], [[[1], [2]]]],
  [[1, "a"], [[[1], "a"]]],
  [
    [[1, 2], "a"],
    [[[1, 2]], ["a"]],
  ],
])("the prompts of %j", (prompt, expected) => {
  expect(promptsOf(prompt)).toEqual(expected as ReturnType<typeof promptsOf>);
});

test("of a native stream of responses three kinds of events are left, without event lines, and an end marker", () => {
  const { events } = simpleResponses("tiny");
  const native = (data: { type: string; [name: string]: unknown }) => `event: ${data.type}\n${event(data)}`;
  const created = native({ type: "response.created", response: { id: "resp_1", status: "in_progress" } });
  expect(JSON.parse(events(created).slice("data: ".length))).toMatchObject({
    type: "response.created",
    sequence_number: 0,
    response: { id: "resp_1", model: "tiny", output: [] },
  });
  expect(events(native({ type: "response.in_progress" }) + native({ type: "response.output_text.done" }))).toBe("");
  expect(events(native({ type: "response.output_text.delta", item_id: "msg_1", delta: "Hi" }))).toBe(
    event({ type: "response.output_text.delta", item_id: "msg_1", delta: "Hi", sequence_number: 0, output_index: 0, content_index: 0 }),
  );
  expect(events(native({ type: "response.completed", response: { id: "resp_1", output: [] } }))).toEndWith("\n\ndata: [DONE]\n\n");
});

test("what a model thought is not in the simple form, whose first item is the answer, an empty one when it did not come to that", () => {
  const thought = { id: "rs_1", type: "reasoning" };
  const said = { id: "msg_1", type: "message", content: [{ type: "output_text", text: "Hi" }] };
  const outputOf = (output: unknown[]) =>
    (JSON.parse(simpleResponses("tiny").whole(JSON.stringify({ output }))) as { output: unknown }).output;
  expect(outputOf([thought, said])).toEqual([said]);
  expect(outputOf([thought])).toMatchObject([{ type: "message", content: [{ text: "" }] }]);
  const completed = simpleResponses("tiny").events(event({ type: "response.completed", response: { output: [thought, said] } }));
  expect(JSON.parse(completed.split("\n")[0]!.slice("data: ".length))).toMatchObject({ response: { output: [said] } });
});

test("comments between events stay: they keep a connection awake", () => {
  const echo = completionsAsAsked({ echoed: ["Once "] });
  expect(echo.events(": reading\n\n")).toBe(": reading\n\n");
  expect(simpleResponses("tiny").events(":\n\n")).toBe(":\n\n");
});
