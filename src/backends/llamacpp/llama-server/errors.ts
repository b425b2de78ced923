import { describeExit, type ExitInfo } from "../../../platform/index.ts";
import type { StartFailureReason } from "../../explain-start-failure.ts";
import { LLAMA_SERVER_ERRORS, type LlamaServerErrorCode } from "./error-codes.ts";
import { ENGLISH_MESSAGES, fillTemplate } from "./messages.ts";

/** An error as plain data, for logs and for the body of an answer. */
export interface LlamaServerErrorJson {
  /** Name of the class, such as `StartupError`. */
  readonly name: string;
  readonly message: string;
  readonly code: LlamaServerErrorCode;
  readonly type: string;
  readonly status: number;
  readonly args: Readonly<Record<string, string>>;
  /** What the class adds, such as `outputTail`. */
  readonly [detail: string]: unknown;
}

/**
 * Base of every error that the library throws by itself; an abort rejects with the reason of its signal instead. Translate one with
 * {@link formatError}.
 */
export abstract class LlamaProcessError extends Error {
  /** Stable name of what went wrong. */
  readonly code: LlamaServerErrorCode;
  /** The kind under which an OpenAI-compatible server reports it, such as `service_unavailable`. */
  readonly type: string;
  /** The HTTP status under which a server reports it. */
  readonly status: number;
  /** The values in the message: `var_0`, `var_1` by position, others by name. */
  readonly args: Readonly<Record<string, string>>;

  protected constructor(
    code: LlamaServerErrorCode,
    args: Readonly<Record<string, string>>,
    { type, status, ...options }: ErrorOptions & { readonly type?: string | undefined; readonly status?: number | undefined } = {},
  ) {
    super(fillTemplate(ENGLISH_MESSAGES[code], args, "en"), options);
    this.code = code;
    this.args = args;
    this.type = type ?? LLAMA_SERVER_ERRORS[code].type;
    this.status = status ?? LLAMA_SERVER_ERRORS[code].status;
  }

  /** The error as plain data; the cause and the stack stay here. */
  toJSON(): LlamaServerErrorJson {
    const { name, message, code, type, status, args, ...details } = this;
    delete (details as { cause?: unknown }).cause;
    return { name, message, code, type, status, args, ...details };
  }
}

/** A request came before the server was ready, or after it had ended; then `cause` says how. */
export class ServerNotReadyError extends LlamaProcessError {
  override readonly name = "ServerNotReadyError";

  constructor(options?: ErrorOptions) {
    super("server_error-server_not_ready", {}, options);
  }
}

/** What is known about a start that failed. */
export interface StartFailureDetails {
  /** The likely cause, where the output or the system told it. */
  readonly reason?: StartFailureReason | undefined;
  /** How the process ended, when it had been started. */
  readonly exit?: ExitInfo | undefined;
  /** The last lines of the engine's output, oldest first. */
  readonly outputTail?: readonly string[] | undefined;
}

/** The engine could not be started, or ended before it was ready. */
export class StartupError extends LlamaProcessError {
  override readonly name = "StartupError";
  /** The likely cause; `undefined` when the output says nothing that is known. */
  readonly reason: StartFailureReason | undefined;
  /** Exit code of the process; `null` when a signal ended it or it never ran. */
  readonly exitCode: number | null;
  /** The signal that ended the process, if one did. */
  readonly signal: NodeJS.Signals | null;
  /** The last lines of the engine's output, oldest first, at most 200. */
  readonly outputTail: readonly string[];

  constructor(text: string, { reason, exit, outputTail = [] }: StartFailureDetails = {}, options?: ErrorOptions) {
    super("server_error-startup_error", { var_0: exit === undefined ? text : `${text} (${describeExit(exit)})` }, options);
    this.reason = reason;
    this.exitCode = exit?.code ?? null;
    this.signal = exit?.signal ?? null;
    this.outputTail = outputTail;
  }
}

/** The process is in a state that does not allow what was asked, such as a second start. */
export class ServerProcessError extends LlamaProcessError {
  override readonly name = "ServerProcessError";

  constructor(text: string, options?: ErrorOptions) {
    super("server_error-process_error", { var_0: text }, options);
  }
}

/** The health path gave no answer: to the last attempt of a start, or to `health()`. */
export class HealthCheckError extends LlamaProcessError {
  override readonly name = "HealthCheckError";
  /** The last lines of the engine's output, oldest first, at most 200. */
  readonly outputTail: readonly string[];

  constructor(text: string, { outputTail = [] }: Pick<StartFailureDetails, "outputTail"> = {}, options?: ErrorOptions) {
    super("server_error-health_check_error", { var_0: text }, options);
    this.outputTail = outputTail;
  }
}

/** The engine answered every attempt of a start, but never that it is ready. */
export class StartTimeoutError extends LlamaProcessError {
  override readonly name = "StartTimeoutError";
  /** The last lines of the engine's output, oldest first, at most 200. */
  readonly outputTail: readonly string[];

  /** @param seconds - Attempts times their interval. */
  constructor(seconds: number, { outputTail = [] }: Pick<StartFailureDetails, "outputTail"> = {}, options?: ErrorOptions) {
    super("server_error-timeout_error", { var_0: String(seconds) }, options);
    this.outputTail = outputTail;
  }
}

/** The model file does not exist. The path in the message hides where the user's model cache is. */
export class ModelNotFoundError extends LlamaProcessError {
  override readonly name = "ModelNotFoundError";

  /** @param shownPath - See {@link redactModelPath}. */
  constructor(shownPath: string, options?: ErrorOptions) {
    super("server_error-model_not_found", { var_0: shownPath }, options);
  }
}

/** There is no executable file at the path of the engine. */
export class ExecutableNotFoundError extends LlamaProcessError {
  override readonly name = "ExecutableNotFoundError";

  constructor(path: string, options?: ErrorOptions) {
    super("context_error-exec_not_exists", { var_0: path }, options);
  }
}

/** The connection to the engine failed or broke off. */
export class UpstreamClientError extends LlamaProcessError {
  override readonly name = "UpstreamClientError";

  constructor(text: string, options?: ErrorOptions) {
    super("reqwest_error", { error: text }, options);
  }
}

/** The engine answered with an error where parsed data or a stream was asked for; raw responses are never turned into this. */
export class UpstreamStatusError extends LlamaProcessError {
  override readonly name = "UpstreamStatusError";
  /** The answer as the engine gave it: parsed JSON, or text that is not JSON. */
  readonly body: unknown;

  /** @param status - The engine's HTTP status, which becomes the status of the error. */
  constructor(status: number, body: unknown, options?: ErrorOptions) {
    const { message, type } = engineErrorOf(body);
    super("server_error-upstream_status", { var_0: String(status), var_1: message }, { ...options, status, type });
    this.body = body;
  }
}

/** What an {@link ProcessIoError} was doing. */
export type IoOperation = "io" | "with_path" | "dir_create" | "file_read" | "file_write" | "file_delete";

/** A file or a process could not be handled. */
export class ProcessIoError extends LlamaProcessError {
  override readonly name = "ProcessIoError";

  /** @param details - `path` is needed for every operation but `io`. */
  constructor(operation: IoOperation, details: { readonly source: string; readonly path?: string | undefined }, options?: ErrorOptions) {
    const { source, path } = details;
    super(`io_error-${operation}`, path === undefined ? { source } : { source, path }, options);
  }
}

/** An option is missing or has a value that cannot work. */
export class InvalidOptionsError extends LlamaProcessError {
  override readonly name = "InvalidOptionsError";
  /** Path of the option, such as `port` or `env.HOME`. */
  readonly field: string;

  /** @param problem - What is wrong with the value; without it the option is missing. */
  constructor(field: string, problem?: string, options?: ErrorOptions) {
    if (problem === undefined) super("builder_error-uninitialized_field", { var_0: field }, options);
    else super("builder_error-validation_error", { var_0: `${field}: ${problem}` }, options);
    this.field = field;
  }
}

/** llama-server's error body is `{"error": {"message", "type", "code"}}`. */
function engineErrorOf(body: unknown): { readonly message: string; readonly type: string | undefined } {
  const { error = body } = (typeof body === "object" && body !== null ? body : {}) as { error?: unknown };
  const { message, type } = (typeof error === "object" && error !== null ? error : {}) as { message?: unknown; type?: unknown };
  return {
    message: typeof message === "string" ? message : typeof body === "string" ? body.slice(0, 500) : JSON.stringify(body),
    type: typeof type === "string" ? type : undefined,
  };
}
