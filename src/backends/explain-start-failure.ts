import { RouterError, type InstanceExitedError } from "../errors.ts";

/** Why an engine did not start, for programs and for translations. */
export type StartFailureReason =
  | "port_taken"
  | "missing_library"
  | "old_driver"
  | "unknown_argument"
  | "wrong_argument_value"
  | "out_of_memory"
  | "not_a_gguf"
  | "unknown_architecture"
  | "damaged_model"
  | "unreadable_model"
  | "bad_chat_template";

interface Cause {
  readonly reason: StartFailureReason;
  readonly pattern: RegExp;
  readonly sentence: string;
  readonly hint: string;
}

/**
 * What llama.cpp prints when it cannot start, in the order in which a line decides: a later text often follows from an earlier cause.
 * The wording changed between versions, so each pattern matches several.
 */
const CAUSES: readonly Cause[] = [
  {
    reason: "port_taken",
    pattern: /couldn't bind|failed to bind|address already in use|bind\(\) failed/i,
    sentence: "its port was taken",
    hint: "Try again.",
  },
  {
    reason: "missing_library",
    pattern: /error while loading shared libraries|library not loaded|DLL.*not found|cannot open shared object file/i,
    sentence: "a shared library is missing on this machine",
    hint: "Install the library named in the log, or another build: `lemonade install llamacpp --from-source`.",
  },
  {
    reason: "old_driver",
    pattern: /ErrorExtensionNotPresent/,
    sentence: "the GPU driver is too old for this build",
    hint: "Update it (AMD: https://www.amd.com/en/support/download/drivers.html).",
  },
  {
    reason: "unknown_argument",
    pattern: /invalid argument|unrecognized (option|argument)/i,
    sentence: "it does not know one of its arguments",
    hint: "Check --llamacpp-args against the help of the installed llama-server.",
  },
  {
    reason: "wrong_argument_value",
    pattern: /error while handling argument/i,
    sentence: "the value of one of its arguments is missing or wrong",
    hint: "Check --llamacpp-args against the help of the installed llama-server.",
  },
  {
    reason: "out_of_memory",
    pattern: /out of memory|failed to allocate|unable to allocate|ErrorOutOfDeviceMemory|bad_alloc|cannot allocate memory/i,
    sentence: "there is not enough memory",
    hint: "Use a smaller --ctx-size or a smaller quantisation, or unload other models.",
  },
  {
    reason: "not_a_gguf",
    pattern: /invalid magic|not a gguf|failed to read magic|bad magic/i,
    sentence: "the file is not a GGUF model",
    hint: "Download it again; an error page may have been saved under its name.",
  },
  {
    reason: "unknown_architecture",
    pattern: /unknown model architecture|unknown architecture/i,
    sentence: "this build does not know the model's architecture",
    hint: "Upgrade the engine.",
  },
  {
    reason: "damaged_model",
    pattern: /tensor '.*' data is not within the file bounds|file is corrupted|incomplete|unexpectedly reached end of file|failed to read/i,
    sentence: "the model file is damaged or incomplete",
    hint: "Download it again.",
  },
  {
    reason: "unreadable_model",
    pattern: /no such file|failed to open/i,
    sentence: "the model file cannot be opened",
    hint: "Check the path and its permissions.",
  },
  {
    reason: "bad_chat_template",
    // Every start speaks of the template: only a complaint about it is a cause.
    pattern: /chat.templates?\b.*(error|fail|invalid|not (yet )?(valid|supported)|pars)|(error|fail|invalid|unable|cannot).*chat.template/i,
    sentence: "the model's chat template is not valid for this build",
    hint: 'Name another one with --llamacpp-args "--chat-template …".',
  },
];

/** What ends a process without a word: the system, when it has no memory left. */
const ENDED_BY_SYSTEM = {
  reason: "out_of_memory",
  sentence: "the system ended it with SIGKILL, as it does when memory runs out",
  hint: "Use a smaller --ctx-size or a smaller quantisation, or unload other models.",
} as const;

/** Lines shown with the error; the rest is in the log. */
const SHOWN_LINES = 6;

/** Whether a child ended because another program had taken its port, so that a new port may help. */
export function isPortTaken(logTail: readonly string[]): boolean {
  return findStartFailure(logTail)?.reason === "port_taken";
}

/**
 * The likely cause in the last lines of an engine that did not start, or in the signal that ended it where that was none of ours;
 * `undefined` when they say nothing we know.
 */
export function findStartFailure(
  logTail: readonly string[],
  signal?: string,
): { readonly reason: StartFailureReason; readonly sentence: string; readonly hint: string } | undefined {
  if (signal === "SIGKILL") return ENDED_BY_SYSTEM;
  return CAUSES.find(({ pattern }) => logTail.some((line) => pattern.test(line)));
}

/** Turns the end of an engine that never became ready into an error that names the likely cause and shows its last lines. */
export function explainStartFailure(options: { model: string; backend: string; cause: InstanceExitedError }): RouterError {
  const { model, backend, cause } = options;
  const known = findStartFailure(cause.logTail, cause.signal);
  const lines = cause.logTail.filter((line) => / [EW] |error|fail|abort/i.test(line));
  const shown = (lines.length > 0 ? lines : cause.logTail).slice(-SHOWN_LINES);
  const reason = known === undefined ? cause.message : known.sentence;
  const output = shown.length === 0 ? "" : `\nLast lines of the engine:\n${shown.map((line) => `  ${line}`).join("\n")}`;
  const code = known?.reason === "out_of_memory" ? "OUT_OF_MEMORY" : "MODEL_LOAD_FAILED";
  return new RouterError(code, `${model} could not be loaded with ${backend}: ${reason}${output}`, {
    cause,
    hint: known?.hint,
  });
}
