import { RouterError } from "../errors.ts";
import { rateLimitResetMsOf, retryAfterMsOf, TransientError } from "./retry.ts";

/** What was asked for, for messages. */
export interface Subject {
  readonly endpoint: string;
  readonly repo?: string | undefined;
  readonly revision?: string | undefined;
  readonly path?: string | undefined;
  readonly hasToken: boolean;
}

/** Turns an answer that is not a success into the error that says what to do about it. */
export function refusalError(response: Response, subject: Subject): RouterError {
  const { status, headers } = response;
  const said = headers.get("x-error-message") ?? "";
  const what = subject.repo ?? subject.endpoint;
  const tokensPage = `${subject.endpoint}/settings/tokens`;
  switch (headers.get("x-error-code")) {
    case "GatedRepo":
      return new RouterError("HUB_GATED", `${what} is gated: its terms must be accepted before its files can be downloaded`, {
        hint: subject.hasToken
          ? `Ask for access at ${subject.endpoint}/${what} with the account that the token belongs to.`
          : `Accept the licence at ${subject.endpoint}/${what}, make a token at ${tokensPage} and set HF_TOKEN.`,
      });
    case "RevisionNotFound":
      return new RouterError("HUB_NOT_FOUND", `${what} has no revision ${subject.revision ?? "main"}`);
    case "EntryNotFound":
      return new RouterError("HUB_NOT_FOUND", `${what} has no file ${subject.path ?? ""}`);
    case "RepoNotFound":
      return repositoryNotFound(subject);
    default:
  }
  if (status === 429) {
    const retryAfterMs = retryAfterMsOf(headers, Date.now()) ?? rateLimitResetMsOf(headers);
    const options = {
      retryAfterMs,
      hint: subject.hasToken ? undefined : "A token raises the limit: log in with `hf auth login` or set HF_TOKEN.",
    };
    return new TransientError("HUB_RATE_LIMITED", `${subject.endpoint} is limiting our requests`, options);
  }
  if (status >= 500 || status === 408) {
    const options = { retryAfterMs: retryAfterMsOf(headers, Date.now()) };
    return new TransientError("HUB_UNREACHABLE", `${subject.endpoint} answered ${status} for ${what}`, options);
  }
  if (said === "Access to this resource is disabled.") return new RouterError("HUB_NOT_FOUND", `${what} has been disabled by the hub`);
  if (status === 401 && /invalid credentials/i.test(said)) {
    return new RouterError("HUB_UNAUTHORIZED", `${subject.endpoint} refused the token`, {
      hint: `It may have been revoked: make a new one at ${tokensPage} and set HF_TOKEN.`,
    });
  }
  // The hub answers 401 for whatever an anonymous reader may not know about.
  if (subject.repo !== undefined && (status === 401 || status === 404)) return repositoryNotFound(subject);
  if (status === 401 || status === 403) {
    return new RouterError("HUB_UNAUTHORIZED", `${subject.endpoint} refused access to ${what}${said && `: ${said}`}`, {
      hint: `Check the permissions of the token at ${tokensPage}.`,
    });
  }
  return new RouterError("DOWNLOAD_FAILED", `${subject.endpoint} answered ${status} for ${what}${said && `: ${said}`}`);
}

function repositoryNotFound({ endpoint, repo, hasToken }: Subject): RouterError {
  return new RouterError("HUB_NOT_FOUND", `${endpoint} shows no repository ${repo ?? ""}`, {
    hint: hasToken
      ? "Check the name; if it is private, the token's account needs access."
      : "Check the name; if it is private, set HF_TOKEN or log in with `hf auth login`.",
  });
}
