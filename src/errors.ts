/**
 * The error base class and the catalogue of codes. Callers branch on `code`, never on message text; `docs/errors.md` lists every
 * code, and a retired one is never reused. `status` is the HTTP status a client sees; `retryable` says whether the same request may
 * succeed later without anybody changing anything.
 */
export const ERRORS = {
  INVALID_REQUEST: { status: 400, retryable: false },
  BODY_NOT_JSON: { status: 400, retryable: false },
  UNAUTHORIZED: { status: 401, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  HOST_NOT_ALLOWED: { status: 403, retryable: false },
  ORIGIN_NOT_ALLOWED: { status: 403, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  ENDPOINT_NOT_FOUND: { status: 404, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false },
  MODEL_NOT_FOUND: { status: 404, retryable: false },
  MODEL_NOT_REGISTERED: { status: 422, retryable: false },
  MODEL_NOT_DELETABLE: { status: 409, retryable: false },
  MODEL_IN_USE: { status: 409, retryable: false },
  BACKEND_IN_USE: { status: 409, retryable: false },
  WRONG_MODEL_KIND: { status: 422, retryable: false },
  QUEUE_FULL: { status: 429, retryable: true },
  QUEUE_TIMEOUT: { status: 503, retryable: true },
  MODEL_NOT_LOADED: { status: 400, retryable: false },
  STREAM_NOT_FOUND: { status: 404, retryable: false },
  MODEL_LIMIT_REACHED: { status: 503, retryable: true },
  MODEL_NOT_DOWNLOADED: { status: 404, retryable: false },
  RECIPE_UNSUPPORTED: { status: 422, retryable: false },
  MODEL_LOAD_FAILED: { status: 422, retryable: false },
  OUT_OF_MEMORY: { status: 422, retryable: false },
  BACKEND_NOT_INSTALLED: { status: 422, retryable: false },
  INSTALL_FAILED: { status: 500, retryable: false },
  INSTANCE_EXITED: { status: 502, retryable: true },
  MODEL_UNLOADED: { status: 503, retryable: false },
  GENERATION_HALTED: { status: 410, retryable: false },
  ENGINE_KEEPS_CRASHING: { status: 503, retryable: true },
  UPSTREAM_UNREACHABLE: { status: 502, retryable: true },
  OUT_OF_DESCRIPTORS: { status: 503, retryable: true },
  SHUTTING_DOWN: { status: 503, retryable: true },
  NOT_A_GGUF: { status: 422, retryable: false },
  VARIANT_NOT_FOUND: { status: 404, retryable: false },
  VARIANT_AMBIGUOUS: { status: 400, retryable: false },
  MODEL_ALREADY_REGISTERED: { status: 409, retryable: false },
  PORT_IN_USE: { status: 500, retryable: false },
  CONFIG_INVALID: { status: 422, retryable: false },
  OFFLINE: { status: 503, retryable: false },
  HUB_UNREACHABLE: { status: 502, retryable: true },
  HUB_RATE_LIMITED: { status: 429, retryable: true },
  HUB_UNAUTHORIZED: { status: 401, retryable: false },
  HUB_GATED: { status: 403, retryable: false },
  HUB_NOT_FOUND: { status: 404, retryable: false },
  DOWNLOAD_FAILED: { status: 502, retryable: true },
  DOWNLOAD_STOPPED: { status: 409, retryable: false },
  DOWNLOAD_ELSEWHERE: { status: 409, retryable: false },
  DOWNLOAD_NOT_FOUND: { status: 404, retryable: false },
  CHECKSUM_MISMATCH: { status: 502, retryable: false },
  DISK_FULL: { status: 507, retryable: false },
  CACHE_NOT_WRITABLE: { status: 500, retryable: false },
  INTERNAL: { status: 500, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

export interface RouterErrorOptions extends ErrorOptions {
  /** What the reader can do next, as one sentence: printed under the message by the command, appended to it over HTTP. */
  readonly hint?: string | undefined;
}

/** Every error of ours that a client or a user may see. The message names what failed and with which value. */
export class RouterError extends Error {
  override readonly name: string = "RouterError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: RouterErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
  }
}

/** An engine process ended when it should have been running; carries the end of its output. */
export class InstanceExitedError extends RouterError {
  override readonly name = "InstanceExitedError";
  readonly logTail: readonly string[];
  /** Undefined when a signal ended it, or when it is not known. */
  readonly exitCode: number | undefined;
  /** The signal that ended it, unless it was ours. */
  readonly signal: string | undefined;

  constructor(
    model: string,
    exit: {
      readonly how: string;
      readonly logTail: readonly string[];
      readonly code?: number | null | undefined;
      readonly signal?: string | null | undefined;
    },
    options?: RouterErrorOptions,
  ) {
    super("INSTANCE_EXITED", `The engine of ${model} ended unexpectedly (${exit.how})`, options);
    this.logTail = exit.logTail;
    this.exitCode = exit.code ?? undefined;
    this.signal = exit.signal ?? undefined;
  }
}

/** The text of any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
