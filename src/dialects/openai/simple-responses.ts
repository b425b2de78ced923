import { mapEventData, type Translation } from "../translation.ts";

interface Item {
  readonly type: string;
}

/** The message of a model that came no further than thinking. */
const NOTHING_SAID = {
  id: "msg_0",
  type: "message",
  role: "assistant",
  status: "incomplete",
  content: [{ type: "output_text", text: "", annotations: [] }],
};

/**
 * The Responses API as Lemonade's clients know it: a stream of exactly three kinds of events, `response.created` with an empty output,
 * `response.output_text.delta`, `response.completed`, each one `data:` line without an `event:` line, and `[DONE]` at the end.
 */
export function simpleResponses(model: string): Translation {
  const base = { model, parallel_tool_calls: true, tool_choice: "auto", tools: [] };
  const extended = (response: unknown) => ({ ...base, ...(response as Record<string, unknown>) });
  const finished = (response: unknown) => {
    const answer = extended(response) as { output?: readonly Item[] };
    // What the model thought is no part of this form: its readers take the first item for the answer.
    const output = (answer.output ?? []).filter(({ type }) => type !== "reasoning");
    return { ...answer, output: output.length > 0 ? output : [NOTHING_SAID] };
  };
  return {
    whole: (text) => JSON.stringify(finished(JSON.parse(text))),
    events(text) {
      let isComplete = false;
      const events = mapEventData(text, (event) => {
        switch (event["type"]) {
          case "response.created":
            return { type: event["type"], sequence_number: 0, response: { created_at: 0, ...extended(event["response"]), output: [] } };
          case "response.output_text.delta":
            return { ...event, sequence_number: 0, output_index: 0, content_index: 0 };
          case "response.completed":
            isComplete = true;
            return { type: event["type"], sequence_number: 0, response: finished(event["response"]) };
          default:
            // Also an engine's error event, which has no type.
            return "error" in event ? event : undefined;
        }
      });
      return isComplete ? `${events}data: [DONE]\n\n` : events;
    },
  };
}
