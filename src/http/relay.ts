import { inTurn, readableRefusal, readTimings, renderErrorEvent, type Translation } from "../dialects/index.ts";
import { errorMessage, InstanceExitedError, RouterError } from "../errors.ts";
import type { ModelKind } from "../model/index.ts";
import type { Lease, Router } from "../router/index.ts";
import type { Generation, Generations } from "./generations.ts";
import { relayBody } from "./relay-body.ts";

export interface RelayRequest {
  readonly model: string;
  /** What the model must be good for; undefined when any will do. */
  readonly kind?: ModelKind | undefined;
  /** Whether a model that is not here may be downloaded first. */
  readonly mayDownload?: boolean | undefined;
  /** Whether a model that is not loaded is loaded. Defaults to the server's setting. */
  readonly autoload?: boolean | undefined;
  /** A question about the model rather than a use of it: it does not keep the model from being evicted later. */
  readonly isPassive?: boolean | undefined;
  /** Defaults to POST. */
  readonly method?: "GET" | "POST" | "DELETE" | undefined;
  /** Path on the engine, with its query. */
  readonly path: string;
  /** The client's body, sent as it is. */
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  /** Headers of the client that the engine shall see, beside the content type. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  /** Given when the request outlives its client on an engine that keeps the stream: that is then read to its end all the same. */
  readonly conversation?: { readonly id: string; readonly client: AbortSignal } | undefined;
  /** Called when the last byte of a stream has been passed on, or nobody wants it any more. */
  readonly onStreamEnd: () => void;
  /** Called when the model is loaded and the engine is about to be asked. */
  readonly onAcquired?: (() => void) | undefined;
  /** Where the request is entered while it runs, and who sent it. */
  readonly generations: Generations;
  readonly caller: () => string;
  /** Changes a successful answer; without one its bytes pass as they are. */
  readonly translation?: Translation | undefined;
  /** Whether an engine's error gets the form that all our clients read, instead of passing as it came. */
  readonly mendsRefusals?: boolean | undefined;
  /** Takes out of an error what the caller shall not see. */
  readonly redact?: ((text: string) => string) | undefined;
  /** What to ask instead of an engine that does not know the path (404). */
  readonly detour?: (() => Detour) | undefined;
}

/** The same request in another dialect, which every engine speaks. */
export interface Detour {
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Turns the answer into one of the dialect that was asked for. */
  readonly translation: Translation;
}

/** Response headers that speak of one connection, or that are ours to set; the length is computed from what we send. */
const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "server",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** An answer up to this size is read whole before its first byte leaves, so that an engine that dies meanwhile costs a retry, not the answer. */
const MAX_BUFFERED_BYTES = 2 ** 20;

const NOT_IMPLEMENTED = 501;

/** The end of a process is noticed a moment after the end of its connections. */
const EXIT_NOTICE_MS = 250;

/**
 * Sends a request to the engine of its model and relays the answer unparsed. Until the first byte or event has left, an engine that died
 * is loaded again and the request sent once more; a connection that the engine had closed meanwhile (llama-server does after 5 s idle and
 * after 100 requests) is replaced without anybody noticing. After the first byte a failure becomes the dialect's error event.
 */
export async function relay(router: Router, request: RelayRequest): Promise<Response> {
  const { model, caller } = request;
  const generation = request.generations.start({ model, caller, client: request.signal });
  const { signal } = generation;
  try {
    for (let attempt = 1; ; attempt++) {
      const lease = await acquire(router, request, generation);
      try {
        return await relayOnce(router, lease, { ...request, generation, mayAskAgain: attempt === 1 });
      } catch (error) {
        const isGone = await lease.isEngineGone({ withinMs: signal.aborted ? 0 : EXIT_NOTICE_MS });
        lease.release();
        signal.throwIfAborted();
        if (error instanceof RouterError) throw error;
        if (attempt === 1 && mayAskAgain(lease, isGone)) continue;
        throw upstreamFailure(lease, error, isGone);
      }
    }
  } catch (error) {
    generation.end();
    throw error;
  }
}

async function acquire(router: Router, request: RelayRequest, generation: Generation): Promise<Lease> {
  const { model, kind, mayDownload, autoload, isPassive, onAcquired } = request;
  const lease = await router.acquire(model, { kind, mayDownload, autoload, isPassive, signal: generation.signal });
  generation.model = lease.entry.id;
  onAcquired?.();
  return lease;
}

interface Attempt extends RelayRequest {
  readonly generation: Generation;
  readonly mayAskAgain: boolean;
}

async function relayOnce(router: Router, first: Lease, request: Attempt): Promise<Response> {
  const { generation, conversation } = request;
  let lease = first;
  let isFirst = request.mayAskAgain;
  const end = (tail: readonly Uint8Array[]) => {
    generation.end();
    lease.release();
    router.noteAnswer(lease, readTimings(textOf(tail)));
  };
  const { upstream, translation } = await ask(lease, request, generation.signal);
  const { status } = upstream;
  const headers = passedHeaders(upstream.headers);
  const length = upstream.headers.get("content-length");
  // Asked before the body: whoever touches that as a stream pays for one, also when the bytes are then read at once.
  const isEventStream = headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const isRefusal = status >= 400 && request.mendsRefusals === true;
  const isWanted = (length !== null && Number(length) <= MAX_BUFFERED_BYTES) || translation !== undefined || isRefusal;
  if (isWanted && !isEventStream) {
    const whole = await upstream.arrayBuffer();
    end([new Uint8Array(whole)]);
    // What an engine cannot do it will not do the second time either.
    if (status === NOT_IMPLEMENTED) headers.set("x-should-retry", "false");
    const readable = isRefusal ? readableRefusal({ status, body: new TextDecoder().decode(whole) }) : undefined;
    if (readable !== undefined) return new Response(readable.body, { status: readable.status, headers });
    return new Response(translation === undefined ? whole : translatedOrNot(translation, new TextDecoder().decode(whole)), {
      status,
      headers,
    });
  }
  if (upstream.body === null) {
    end([]);
    return new Response(null, { status, headers });
  }
  if (isEventStream) {
    headers.set("cache-control", "no-cache");
    headers.set("x-accel-buffering", "no"); // nginx before us would collect events otherwise.
  }
  const body = relayBody(upstream.body, {
    onEnd(tail) {
      end(tail);
      request.onStreamEnd();
    },
    abort: generation.abort,
    holdsEvents: isEventStream,
    ...(conversation && { abandoned: conversation.client, isKept: async () => await isKept(lease, conversation.id) }),
    mapEvents: translation?.events,
    async reopen() {
      if (!isFirst || generation.signal.aborted) return undefined;
      if (!mayAskAgain(lease, await lease.isEngineGone({ withinMs: EXIT_NOTICE_MS }))) return undefined;
      isFirst = false;
      lease.release();
      lease = await acquire(router, request, generation);
      const { upstream: next } = await ask(lease, request, generation.signal);
      if (!next.ok) throw new Error(`it answered ${next.status} when it was asked again`);
      return next.body ?? undefined;
    },
    async errorEvent(error) {
      const client = conversation?.client ?? request.signal;
      if (client.aborted) throw client.reason;
      if (generation.signal.aborted) return renderErrorEvent(generation.signal.reason, request.redact);
      if (error instanceof RouterError) return renderErrorEvent(error, request.redact);
      return renderErrorEvent(upstreamFailure(lease, error, await lease.isEngineGone({ withinMs: EXIT_NOTICE_MS })), request.redact);
    },
  });
  return new Response(body, { status, headers });
}

/** An answer that is not what its dialect promises passes as it came: whoever asked can make more of it than an error of ours. */
function translatedOrNot({ whole }: Translation, text: string): string {
  try {
    return whole(text);
  } catch (error) {
    if (error instanceof RouterError) throw error;
    return text;
  }
}

/** As Latin-1: the figures are ASCII, and this costs no check. */
function textOf(pieces: readonly Uint8Array[]): string {
  const [only] = pieces;
  const bytes = only !== undefined && pieces.length === 1 ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(pieces);
  return bytes.toString("latin1");
}

/** Built up rather than thinned out: that is half the work. */
function passedHeaders(upstream: Headers): Headers {
  const headers = new Headers();
  upstream.forEach((value, name) => {
    if (!DROPPED_HEADERS.has(name) && !name.startsWith("access-control-")) headers.append(name, value);
  });
  return headers;
}

/** The engine's answer, and what turns it into one for the client: nothing does when the engine refuses. */
async function ask(lease: Lease, request: RelayRequest, signal: AbortSignal) {
  const upstream = await send(lease, request, signal);
  if (upstream.status !== 404 || request.detour === undefined)
    return { upstream, translation: upstream.ok ? request.translation : undefined };
  await upstream.body?.cancel();
  const { path, body, translation } = request.detour();
  const answer = await send(lease, { ...request, path, body }, signal);
  return { upstream: answer, translation: answer.ok ? inTurn(translation, request.translation) : undefined };
}

/** The body as it came, unless the engine has a name of its own for the model. */
function bodyFor({ upstreamModel }: Lease, body: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> | string | undefined {
  if (upstreamModel === undefined || body === undefined) return body;
  const fields = JSON.parse(new TextDecoder().decode(body)) as object; // The endpoint has read it as an object.
  return JSON.stringify({ ...fields, model: upstreamModel });
}

async function send(lease: Lease, request: RelayRequest, signal: AbortSignal): Promise<Response> {
  const body = bodyFor(lease, request.body);
  const init = (keepalive: boolean): BunFetchRequestInit => ({
    method: request.method ?? "POST",
    ...(body === undefined ? {} : { body }),
    headers: { "content-type": "application/json", ...request.headers },
    signal,
    keepalive,
    redirect: "manual",
    timeout: false, // Bun gives up on slow headers after minutes; a model may think longer before its first byte.
    decompress: false,
  });
  const url = lease.baseUrl + request.path;
  try {
    return await fetch(url, init(true));
  } catch (error) {
    if (signal.aborted) throw error;
    // The connection may have been an old one that the engine has closed: use a new one, once, at once. A dead engine refuses it.
    return await fetch(url, init(false));
  }
}

/** Whether the engine keeps this stream for a client that comes back: older ones and other kinds say that they do not. */
async function isKept({ baseUrl }: Lease, id: string): Promise<boolean> {
  const init = { method: "POST", body: JSON.stringify({ conversation_ids: [id] }), headers: { "content-type": "application/json" } };
  try {
    const response = await fetch(`${baseUrl}/v1/streams/lookup`, init);
    const known: unknown = response.ok ? await response.json() : [];
    return Array.isArray(known) && known.length > 0;
  } catch {
    return true; // It is gone, and its stream with it; or it has no time to answer.
  }
}

/** Whether a request of which nothing was answered is sent once more: after a crash it is, but not to a model that was unloaded by hand. */
function mayAskAgain({ stopped }: Lease, isGone: boolean): boolean {
  return stopped?.mayAskAgain ?? isGone;
}

function upstreamFailure(lease: Lease, error: unknown, isGone: boolean): RouterError {
  if (lease.stopped !== undefined) return lease.stopped.error;
  if (isGone) {
    return new InstanceExitedError(
      lease.entry.id,
      { how: "in the middle of a request", logTail: lease.logTail() },
      { cause: error, hint: "Send the request again: the model is loaded anew." },
    );
  }
  return new RouterError("UPSTREAM_UNREACHABLE", `The engine of ${lease.entry.id} broke the connection: ${errorMessage(error)}`, {
    cause: error,
  });
}
