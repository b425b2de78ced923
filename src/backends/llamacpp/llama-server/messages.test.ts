import { expect, test } from "bun:test";
import { LLAMA_SERVER_ERRORS } from "./error-codes.ts";
import {
  InvalidOptionsError,
  ProcessIoError,
  ServerNotReadyError,
  StartTimeoutError,
  StartupError,
  UpstreamClientError,
} from "./errors.ts";
import { GERMAN_MESSAGES } from "./messages-german.ts";
import { ENGLISH_MESSAGES, FIRST_GENERATION_MESSAGES, fillTemplate, formatError, MESSAGE_LANGUAGES } from "./messages.ts";

const slots = (text: string): string[] => [...text.matchAll(/\{\$?(\w+)/g)].map(([, name]) => name ?? "").sort();

test("every language has every text, with the same slots", () => {
  for (const code of Object.keys(LLAMA_SERVER_ERRORS)) expect(ENGLISH_MESSAGES).toHaveProperty([code]);
  expect(Object.keys(GERMAN_MESSAGES).sort()).toEqual(Object.keys(ENGLISH_MESSAGES).sort());
  for (const [key, text] of Object.entries(ENGLISH_MESSAGES)) {
    expect({ key, slots: slots((GERMAN_MESSAGES as Record<string, string>)[key] ?? "") }).toEqual({ key, slots: slots(text) });
  }
  expect(MESSAGE_LANGUAGES).toEqual(["en", "de"]);
});

test("a message is given in the language of the tag, whatever its region or form", () => {
  const error = new ServerNotReadyError();
  for (const tag of ["de", "de-AT", "de_DE.UTF-8", "de_CH@euro"])
    expect(formatError(error, tag)).toStartWith("Der Modell-Server startet noch");
  for (const tag of ["en-GB", "fr", "C", "", "not a tag!"]) expect(formatError(error, tag)).toBe(error.message);
  expect(formatError(error)).toBe("Model server is starting up. Please wait and try again.");
});

test("numbers are written as the language writes them", () => {
  const error = new StartTimeoutError(1234.5);
  expect(error.args).toEqual({ var_0: "1234.5" });
  expect(formatError(error, "de")).toBe("Der Modell-Server hat nicht innerhalb von 1.234,5 Sekunden geantwortet.");
  expect(formatError(error, "en")).toBe("Model server did not respond within 1,234.5 seconds.");
});

test("the reason of a failed start is translated, its details stay", () => {
  const exit = { code: 1, signal: null };
  const error = new StartupError(ENGLISH_MESSAGES["start_failure-not_a_gguf"], { reason: "not_a_gguf", exit });
  expect(formatError(error, "de")).toBe("Der Modell-Server konnte nicht gestartet werden: die Datei ist kein GGUF-Modell (exit code 1).");
  expect(formatError(new StartupError("no known reason", { exit }), "de")).toContain(": no known reason (exit code 1).");
});

test("the first generation of messages is still there under its keys, and falls back to the current one", () => {
  expect(formatError(new ServerNotReadyError(), FIRST_GENERATION_MESSAGES)).toBe(
    "server not ready: the server process has not completed initialization",
  );
  expect(formatError(new StartTimeoutError(300), FIRST_GENERATION_MESSAGES)).toBe("server health check timed out after 300 seconds");
  expect(formatError(new UpstreamClientError("refused"), FIRST_GENERATION_MESSAGES)).toBe("error connecting to internal service: refused");
  expect(formatError(new InvalidOptionsError("model"), FIRST_GENERATION_MESSAGES)).toBe("builder_error: uninitialized field: model");
  const io = new ProcessIoError("file_read", { path: "/x", source: "denied" });
  expect(formatError(io, FIRST_GENERATION_MESSAGES)).toBe("Failed to read file /x: denied.");
});

test("slots of earlier message files are understood: by position, with a dollar, with blanks", () => {
  expect(fillTemplate("{0} {$var_1} { name }, {gone}", { var_0: "a", var_1: "b", name: "c" }, "en")).toBe("a b c, {gone}");
});

test("a catalog of one's own, plain data and foreign errors are formatted, too", () => {
  const error = new ServerNotReadyError();
  expect(formatError(error, { "server_error-server_not_ready": "attends" })).toBe("attends");
  expect(formatError(JSON.parse(JSON.stringify(error)), "de")).toStartWith("Der Modell-Server startet noch");
  expect(formatError(new TypeError("no"), "de")).toBe("no");
  expect(formatError("text", "de")).toBe("text");
});
