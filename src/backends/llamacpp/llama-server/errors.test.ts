import { expect, test } from "bun:test";
import { LLAMA_SERVER_ERRORS } from "./error-codes.ts";
import {
  ExecutableNotFoundError,
  HealthCheckError,
  InvalidOptionsError,
  LlamaProcessError,
  ModelNotFoundError,
  ProcessIoError,
  ServerNotReadyError,
  ServerProcessError,
  StartTimeoutError,
  StartupError,
  UpstreamClientError,
  UpstreamStatusError,
} from "./errors.ts";

const internal = { type: "internal_server_error", status: 500 };

const CASES = [
  [
    new ServerNotReadyError(),
    { code: "server_error-server_not_ready", type: "service_unavailable", status: 503, args: {} },
    "Model server is starting up. Please wait and try again.",
  ],
  [
    new StartupError("text"),
    { code: "server_error-startup_error", ...internal, args: { var_0: "text" } },
    "Failed to start model server: text.",
  ],
  [
    new ServerProcessError("text"),
    { code: "server_error-process_error", ...internal, args: { var_0: "text" } },
    "Model server process error: text.",
  ],
  [
    new HealthCheckError("text"),
    { code: "server_error-health_check_error", ...internal, args: { var_0: "text" } },
    "Model server health check failed: text.",
  ],
  [
    new StartTimeoutError(300),
    { code: "server_error-timeout_error", ...internal, args: { var_0: "300" } },
    "Model server did not respond within 300 seconds.",
  ],
  [
    new ModelNotFoundError("$HF_HOME/a.gguf"),
    { code: "server_error-model_not_found", ...internal, args: { var_0: "$HF_HOME/a.gguf" } },
    "Model file does not exist: $HF_HOME/a.gguf.",
  ],
  [
    new ExecutableNotFoundError("/x"),
    { code: "context_error-exec_not_exists", ...internal, args: { var_0: "/x" } },
    "Model executable not found: /x.",
  ],
  [new UpstreamClientError("text"), { code: "reqwest_error", ...internal, args: { error: "text" } }, "Network error: text."],
  [
    new ProcessIoError("io", { source: "text" }),
    { code: "io_error-io", ...internal, args: { source: "text" } },
    "File operation failed: text.",
  ],
  [
    new ProcessIoError("file_write", { source: "text", path: "/x" }),
    { code: "io_error-file_write", ...internal, args: { source: "text", path: "/x" } },
    "Failed to write file /x: text.",
  ],
  [
    new InvalidOptionsError("model"),
    { code: "builder_error-uninitialized_field", type: "invalid_request_error", status: 400, args: { var_0: "model" } },
    "The option model is missing.",
  ],
] as const;

for (const [error, facts, message] of CASES) {
  test(`${error.name} (${error.code}) has its type, status, arguments and text`, () => {
    expect(error).toBeInstanceOf(LlamaProcessError);
    expect(error).toMatchObject(facts);
    expect(error.message).toBe(message);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name: error.constructor.name, message, ...facts });
    expect(LLAMA_SERVER_ERRORS).toHaveProperty([error.code]);
  });
}

test("a failed start carries how the process ended and its last lines, also as plain data, and keeps its cause", () => {
  const cause = new Error("inner");
  const error = new StartupError(
    "text",
    { reason: "not_a_gguf", exit: { code: null, signal: "SIGKILL" }, outputTail: ["a", "b"] },
    { cause },
  );
  expect(error.message).toBe("Failed to start model server: text (signal SIGKILL).");
  const details = { reason: "not_a_gguf", exitCode: null, signal: "SIGKILL", outputTail: ["a", "b"] };
  expect(error).toMatchObject(details);
  expect(error.cause).toBe(cause);
  expect(error.toJSON()).toMatchObject(details);
  expect(error.toJSON()).not.toHaveProperty("cause");
});

test("an error of the engine keeps the engine's status, type and text", () => {
  const body = { error: { message: "Invalid API Key", type: "authentication_error", code: 401 } };
  expect(new UpstreamStatusError(401, body)).toMatchObject({
    code: "server_error-upstream_status",
    status: 401,
    type: "authentication_error",
    body,
    message: "Model server answered with status 401: Invalid API Key",
  });
  expect(new UpstreamStatusError(502, "bad gateway")).toMatchObject({ type: "internal_server_error", args: { var_1: "bad gateway" } });
});
