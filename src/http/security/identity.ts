import { RouterError } from "../../errors.ts";
import { KEY_SCOPES, matchApiKey, pathOfId, type ApiKey, type KeyScope } from "../../router/index.ts";
import type { CallContext, Scope } from "../endpoint.ts";

/** Who sends a request, as far as keys tell. */
export interface Identity {
  readonly name: string;
  readonly scopes: readonly KeyScope[];
}

/** Without keys the server listens on loopback, and whoever reaches it is its owner. */
const OWNER: Identity = { name: "owner", scopes: KEY_SCOPES };
const STRANGER: Identity = { name: "stranger", scopes: [] };

/** The key of a request: `Authorization: Bearer KEY` (the word may be missing, as for llama-server) or `x-api-key: KEY`. */
function presentedKey(headers: Headers): string | undefined {
  const authorization = headers.get("authorization");
  if (authorization !== null) return authorization.replace(/^Bearer\s+/i, "").trim();
  return headers.get("x-api-key")?.trim();
}

export interface KnownKeys {
  /** Keys that are asked for; none means that everybody who reaches the server is its owner. */
  readonly apiKeys: readonly ApiKey[];
  /** The key of the `lemonade` command on this machine. */
  readonly commandKey: ApiKey;
}

/** Finds out who sends a request. An unknown key is a stranger's: public endpoints stay open to it. */
export function identify(headers: Headers, { apiKeys, commandKey }: KnownKeys): Identity {
  const presented = presentedKey(headers);
  const known = presented === undefined ? undefined : matchApiKey([commandKey, ...apiKeys], presented);
  return known ?? (apiKeys.length === 0 ? OWNER : STRANGER);
}

/**
 * Throws unless the caller may do what an endpoint of that scope does.
 * @throws {@link RouterError} `UNAUTHORIZED` without a valid key, `FORBIDDEN` when the key does not allow it.
 */
export function authorize(identity: Identity, scope: Scope): void {
  if (scope === "public" || identity.scopes.includes(scope)) return;
  if (identity === STRANGER) {
    throw new RouterError("UNAUTHORIZED", "This server wants an API key", {
      hint: "Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`; `lemonade keys add NAME` makes one.",
    });
  }
  throw new RouterError("FORBIDDEN", `The API key ${identity.name} does not have the scope ${scope}`);
}

/** Files of this machine are reached by path only by who manages its models; to anyone else such a name is unknown. */
export function requireReachable(model: string, identity: Identity): void {
  if (pathOfId(model) !== undefined && !identity.scopes.includes("manage"))
    throw new RouterError("MODEL_NOT_FOUND", `There is no model named ${JSON.stringify(model)}`);
}

/** The same text for requests of one program, as far as its key, its address and its name tell. */
export function callerOf({ request, identity, connection }: CallContext & { readonly request: Request }): string {
  return [identity.name, connection.remoteAddress, request.headers.get("user-agent")].join("\n");
}
