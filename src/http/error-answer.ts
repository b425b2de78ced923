import { renderError } from "../dialects/index.ts";
import { ERRORS, RouterError } from "../errors.ts";
import type { ErrorRenderer } from "./endpoint.ts";
import { json } from "./json.ts";

export interface ErrorAnswerOptions {
  /** How the dialect of the path tells errors. */
  readonly render?: ErrorRenderer | undefined;
  /** Takes out of the text what the caller shall not see. */
  readonly redact?: ((text: string) => string) | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The answer to a request that has failed. OpenAI's clients send a 409, a 429 or any 5xx twice again unless a header tells them not to. */
export function errorAnswer(error: unknown, { render = renderError, redact, headers }: ErrorAnswerOptions = {}): Response {
  const { status, body } = render(error, redact);
  // A dialect may say 503 on one route, where it means "later".
  const retryable = ERRORS[error instanceof RouterError ? error.code : "INTERNAL"].retryable || hasOwnStatus(error, 503);
  return json(body, { status, headers: { ...headers, [SHOULD_RETRY]: String(retryable) } });
}

function hasOwnStatus(error: unknown, status: number): boolean {
  return error instanceof RouterError && "status" in error && error.status === status;
}

/**
 * An engine that cannot do something, or has failed at it, would say the same again; that it is not ready yet, or busy, passes.
 * What comes from us says so itself.
 */
export function discourageRetry({ status, headers }: Response): void {
  if ((status === 500 || status === 501) && !headers.has(SHOULD_RETRY)) headers.set(SHOULD_RETRY, "false");
}

export const SHOULD_RETRY = "x-should-retry";
