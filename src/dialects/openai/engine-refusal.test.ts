import { expect, test } from "bun:test";
import { readableRefusal } from "./engine-refusal.ts";

const refusal = (status: number, message: string) => ({
  status,
  body: JSON.stringify({ error: { code: status, message, type: "server_error" } }),
});

test("what an engine says stands where each client looks, beside its own fields", () => {
  const body = JSON.stringify({ error: { code: 400, message: "too long", type: "exceed_context_size_error", n_ctx: 512 } });
  const readable = readableRefusal({ status: 400, body });
  expect(readable?.status).toBe(400);
  expect(JSON.parse(readable?.body ?? "")).toEqual({
    error: { code: 400, message: "too long", type: "exceed_context_size_error", n_ctx: 512 },
    detail: "too long",
    status: "error",
    message: "too long",
  });
});

test.each([
  "Failed to parse tools: [json.exception.type_error.302] type must be string, but is null",
  "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
])("what an engine's parser threw is the mistake of the client: %s", (message) => {
  const { status, body } = readableRefusal(refusal(500, message)) ?? {};
  expect(status).toBe(400);
  expect(JSON.parse(body ?? "")).toMatchObject({ error: { code: 400, message, type: "invalid_request_error" }, detail: message });
});

test("an engine's own failure stays one", () => {
  const { status, body } = readableRefusal(refusal(500, "Compute error.")) ?? {};
  expect(status).toBe(500);
  expect(JSON.parse(body ?? "")).toMatchObject({ error: { code: 500, type: "server_error" } });
});

test("an error that is a bare text becomes one with a message", () => {
  expect(JSON.parse(readableRefusal({ status: 500, body: '{"error":"busy"}' })?.body ?? "")).toMatchObject({
    error: { message: "busy" },
    detail: "busy",
  });
});

test.each(["<html>", "[]", "null", '{"error":null}', '{"detail":"x"}'])("%s is left as it is", (body) => {
  expect(readableRefusal({ status: 500, body })).toBeUndefined();
});
