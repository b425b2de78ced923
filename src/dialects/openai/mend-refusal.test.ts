import { expect, test } from "bun:test";
import { mendRefusal } from "./mend-refusal.ts";

const body = (message: string) => JSON.stringify({ error: { code: 500, message, type: "server_error" } });

test("what an engine's parser threw is the mistake of the client", () => {
  const message = "Failed to parse tools: [json.exception.type_error.302] type must be string, but is null";
  expect(JSON.parse(mendRefusal(body(message)) ?? "")).toEqual({ error: { code: 400, message, type: "invalid_request_error" } });
});

test("an image for a model that sees none is the mistake of the client", () => {
  expect(mendRefusal(body("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"))).toBeString();
});

test("an engine's own failure stays one", () => {
  expect(mendRefusal(body("Compute error."))).toBeUndefined();
  expect(mendRefusal("<html>")).toBeUndefined();
  expect(mendRefusal("[]")).toBeUndefined();
});
