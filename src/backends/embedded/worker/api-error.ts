export type ApiErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "not_found_error"
  | "server_error"
  | "not_supported_error"
  | "unavailable_error"
  | "exceed_context_size_error";

const STATUS: Readonly<Record<ApiErrorType, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  not_found_error: 404,
  server_error: 500,
  not_supported_error: 501,
  unavailable_error: 503,
  exceed_context_size_error: 400,
};

/** An answer other than the one that was asked for, in llama-server's words. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly type: ApiErrorType;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(type: ApiErrorType, message: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.type = type;
    this.extra = extra;
  }

  get status(): number {
    return STATUS[this.type];
  }

  toBody(): { error: Record<string, unknown> } {
    return { error: { code: this.status, message: this.message, type: this.type, ...this.extra } };
  }
}

export const invalidRequest = (message: string): ApiError => new ApiError("invalid_request_error", message);

export function promptTooLong(promptTokens: number, contextTokens: number): ApiError {
  const message = `request (${promptTokens} tokens) exceeds the available context size (${contextTokens} tokens), try increasing it`;
  return new ApiError("exceed_context_size_error", message, { n_prompt_tokens: promptTokens, n_ctx: contextTokens });
}

/** Whatever was thrown, as an answer. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError("server_error", error instanceof Error ? error.message : String(error));
}
