import { ERRORS, RouterError } from "../../errors.ts";

/** Error types as llama-server and the OpenAI API name them, by status. */
function errorType(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly param: null;
    /** Tells our errors from those relayed from an engine. */
    readonly source: "lemonade";
  };
  /** The same text where clients of Lemonade's Python server and of its specification look for it. */
  readonly detail: string;
  readonly status: "error";
  readonly message: string;
}

/**
 * One body that every known consumer can read: OpenAI's SDKs, Lemonade's page (`detail`), its commands (`status`, `message`).
 * `redact` changes the text for a reader who shall not see all of it.
 */
export function renderError(error: unknown, redact = (text: string) => text): { status: number; body: ErrorBody } {
  // What is not ours may carry paths or secrets in its text: strangers get a general sentence, the log has the rest.
  const known = error instanceof RouterError ? error : new RouterError("INTERNAL", "Internal error; the log of the server says more");
  const { status } = ERRORS[known.code];
  const message = redact(known.hint === undefined ? known.message : `${known.message}. ${known.hint}`);
  return {
    status,
    body: {
      error: { message, type: errorType(status), code: known.code.toLowerCase(), param: null, source: "lemonade" },
      detail: message,
      status: "error",
      message,
    },
  };
}

/** The error as an event of a running stream; the stream ends after it. */
export function renderErrorEvent(error: unknown, redact?: (text: string) => string): string {
  return `data: ${JSON.stringify({ error: renderError(error, redact).body.error })}\n\n`;
}
