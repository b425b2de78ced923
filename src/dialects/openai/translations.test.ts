import { expect, test } from "bun:test";
import { echoPrompt } from "./echo.ts";
import { simpleResponses } from "./simple-responses.ts";

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;

test("an echoed prompt stands once before the text of each choice, streamed or not", () => {
  expect(JSON.parse(echoPrompt("Once ").whole('{"choices":[{"index":0,"text":"upon"}],"usage":{}}'))).toEqual({
    choices: [{ index: 0, text: "Once upon" }],
    usage: {},
  });
  const echo = echoPrompt("Once ");
  expect(echo.events(event({ choices: [{ index: 0, text: "upon" }] }))).toBe(event({ choices: [{ index: 0, text: "Once upon" }] }));
  expect(echo.events(event({ choices: [{ index: 0, text: " a" }] }) + "data: [DONE]\n\n")).toBe(
    event({ choices: [{ index: 0, text: " a" }] }) + "data: [DONE]\n\n",
  );
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
