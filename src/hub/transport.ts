import { readFile } from "node:fs/promises";
import { errorMessage, RouterError } from "../errors.ts";
import { systemClock, type Clock } from "./clock.ts";
import { TransientError } from "./retry.ts";
import { cleanToken, type HubSettings } from "./settings.ts";

export interface SendOptions {
  readonly method?: "GET" | "HEAD" | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Where to stop: at the first redirect to another origin, or never. Defaults to following all. */
  readonly stopAtOtherOrigin?: boolean | undefined;
  /** How long until the headers are there, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly response: Response;
  /** The address that gave this answer. */
  readonly url: string;
  /** Where the answer points when it is a redirect that was not followed. */
  readonly location: string | undefined;
  /** The hub's own headers, from whichever answer of the chain of redirects had them first. */
  readonly facts: Headers;
}

const MAX_REDIRECTS = 10;
/** Only the hub says these; the file server that it redirects to does not repeat them. */
const FACTS = ["x-repo-commit", "x-linked-etag", "x-linked-size"];
const USER_AGENT = "lemon.ts";

/**
 * Sends requests and follows redirects itself: the token goes to the hub's own origin and nowhere else, whatever a redirect says.
 * Proxies are the runtime's matter: Bun's `fetch` honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY, Node's does with NODE_USE_ENV_PROXY=1.
 */
export class HubTransport {
  readonly settings: HubSettings;
  readonly clock: Clock;

  constructor(settings: HubSettings, clock: Clock = systemClock) {
    this.settings = settings;
    this.clock = clock;
  }

  async token(): Promise<string | undefined> {
    if (this.settings.token !== undefined || this.settings.tokenFile === undefined) return this.settings.token;
    return cleanToken(await readFile(this.settings.tokenFile, "utf8").catch(() => undefined));
  }

  /** One request with its redirects. Rejects with a `TransientError` when nothing usable came back; any status is an answer. */
  async send(url: string, options: SendOptions = {}): Promise<Answer> {
    this.assertOnline(url);
    const token = await this.token();
    const facts = new Headers();
    for (let at = url, hops = 0; ; hops++) {
      const response = await this.#sendOnce(at, token, options);
      for (const name of FACTS) {
        const value = response.headers.get(name);
        if (value !== null && !facts.has(name)) facts.set(name, value);
      }
      const location = redirectTarget(response, at);
      if (location === undefined) return { response, url: at, location, facts };
      if (at.startsWith("https:") && !location.startsWith("https:")) {
        throw new RouterError("DOWNLOAD_FAILED", `${originOf(at)} redirects to an address that is not encrypted: ${originOf(location)}`);
      }
      if (options.stopAtOtherOrigin && originOf(location) !== originOf(at)) return { response, url: at, location, facts };
      await response.body?.cancel();
      if (hops >= MAX_REDIRECTS) throw new RouterError("DOWNLOAD_FAILED", `${url} redirects without end`);
      at = location;
    }
  }

  assertOnline(what: string): void {
    if (!this.settings.isOffline) return;
    throw new RouterError("OFFLINE", `${what} is needed, and offline mode is on`, {
      hint: "Unset LEMONADE_OFFLINE (or HF_HUB_OFFLINE) to allow requests.",
    });
  }

  async #sendOnce(url: string, token: string | undefined, options: SendOptions): Promise<Response> {
    const timeoutMs = options.timeoutMs ?? this.settings.metadataTimeoutMs;
    // Not AbortSignal.timeout: that would stay armed and cut the body of a slow, healthy download. Nor AbortSignal.any: of a signal that
    // lives as long as a download each one leaves 2 kB behind.
    options.signal?.throwIfAborted();
    const request = new AbortController();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      request.abort();
    }, timeoutMs);
    options.signal?.addEventListener("abort", () => request.abort(options.signal?.reason), { once: true, signal: request.signal });
    const isHub = originOf(url) === originOf(this.settings.endpoint);
    try {
      return await fetch(url, {
        method: options.method ?? "GET",
        redirect: "manual",
        signal: request.signal,
        headers: {
          // The length and the ranges are those of the file itself, never of a compressed form.
          "accept-encoding": "identity",
          "user-agent": USER_AGENT,
          ...(isHub && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
          ...options.headers,
        },
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isLate) {
        throw new TransientError("HUB_UNREACHABLE", `${originOf(url)} did not answer within ${timeoutMs / 1000} s`, { cause: error });
      }
      throw connectionError(error, url);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A connection that failed or broke. Certificates do not get better by trying again. */
export function connectionError(error: unknown, url: string): RouterError {
  const code = (error as { code?: unknown } | undefined)?.code ?? (error as { cause?: { code?: unknown } } | undefined)?.cause?.code;
  const message = `${originOf(url)} cannot be reached: ${errorMessage(error)}`;
  if (typeof code === "string" && /CERT|SIGNED|TLS|SSL/.test(code)) {
    return new RouterError("HUB_UNREACHABLE", message, { cause: error, hint: "Behind an inspecting proxy, set NODE_EXTRA_CA_CERTS." });
  }
  return new TransientError("HUB_UNREACHABLE", message, { cause: error });
}

function redirectTarget(response: Response, url: string): string | undefined {
  const location = response.headers.get("location");
  return response.status >= 300 && response.status < 400 && location !== null ? new URL(location, url).href : undefined;
}

export function originOf(url: string): string {
  return new URL(url).origin;
}
