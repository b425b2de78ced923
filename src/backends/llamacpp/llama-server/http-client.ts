import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { errorMessage } from "../../../errors.ts";
import { urlOf, type EngineAddress } from "./argv.ts";
import { LlamaProcessError, UpstreamClientError } from "./errors.ts";

/** One request to the engine. */
export interface EngineRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Answers that have no body by definition. */
const BODILESS: readonly number[] = [101, 204, 205, 304];
const MAX_IDLE_CONNECTIONS = 32;
const TCP_KEEP_ALIVE_MS = 60_000;

/**
 * HTTP to one engine, over `node:http` because the `fetch` of Node gives up when headers or the next bytes take five minutes, and a
 * model may think longer. There is no time limit of ours; a failed connection is an {@link UpstreamClientError}, an abort rejects with
 * its reason, and both hold for the body, too.
 */
export class EngineHttpClient {
  readonly #address: EngineAddress;
  readonly #explain: () => Promise<string | undefined>;
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS, maxFreeSockets: MAX_IDLE_CONNECTIONS });

  /** @param explain - Asked after a failure for what the connection itself does not know, such as that the engine has ended. */
  constructor(address: EngineAddress, explain: () => Promise<string | undefined> = async () => undefined) {
    this.#address = address;
    this.#explain = explain;
  }

  /** Resolves with the head of the answer; its body is read by the caller, and cancelling it ends the engine's work. */
  async send(path: string, request: EngineRequest): Promise<Response> {
    request.signal?.throwIfAborted();
    const url = urlOf(this.#address, path);
    const { signal } = request;
    let message: IncomingMessage;
    try {
      message = await this.#connect(url, request).catch(async (error: unknown) => {
        // The engine closes idle connections after 5 s: one that was closed just now is replaced by a new one, once.
        if (error instanceof StaleConnectionError && signal?.aborted !== true) return await this.#connect(url, request, { isFresh: true });
        throw error;
      });
    } catch (error) {
      throw await this.#failure(error, signal);
    }
    const isBodiless = BODILESS.includes(message.statusCode ?? 0) || request.method === "HEAD";
    if (isBodiless) message.resume();
    const response = new Response(isBodiless ? null : this.#bodyOf(message, signal), {
      status: message.statusCode ?? 0,
      statusText: message.statusMessage ?? "",
      headers: headersOf(message),
    });
    // A response that is made by hand has no address of its own.
    return Object.defineProperty(response, "url", { value: url.href });
  }

  /** Closes all connections, once the engine has gone. */
  close(): void {
    this.#agent.destroy();
  }

  #connect(url: URL, { method, headers, body, signal }: EngineRequest, { isFresh = false } = {}): Promise<IncomingMessage> {
    const { apiKey } = this.#address;
    return new Promise((resolve, reject) => {
      const request = httpRequest(url, {
        method,
        agent: isFresh ? false : this.#agent,
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
          ...headers,
        },
        ...(signal === undefined ? {} : { signal }),
      });
      request.once("response", resolve);
      request.on("error", (cause) => reject(request.reusedSocket ? new StaleConnectionError(cause) : cause));
      request.end(body);
    });
  }

  /** The body as it comes: nothing is read ahead of the reader. */
  #bodyOf(message: IncomingMessage, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
    const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      try {
        const { done, value } = await chunks.next();
        if (done !== true) controller.enqueue(value);
        else if (message.complete) controller.close();
        else throw new Error("The connection was closed before the end of the answer");
      } catch (error) {
        controller.error(await this.#failure(error, signal));
      }
    };
    return new ReadableStream<Uint8Array>({ pull, cancel: () => void message.destroy() }, { highWaterMark: 0 });
  }

  async #failure(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (signal?.aborted === true) return signal.reason;
    const cause = error instanceof StaleConnectionError ? error.cause : error;
    const explanation = await this.#explain();
    return new UpstreamClientError(errorMessage(cause) + (explanation === undefined ? "" : `; ${explanation}`), { cause });
  }
}

/** A reused connection broke before its answer began: the engine may have closed it before the request came. */
class StaleConnectionError extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** What a failure is for callers: the abort that caused it, an error of ours as it is, or else one of the connection. */
export function transportError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  return error instanceof LlamaProcessError ? error : new UpstreamClientError(errorMessage(error), { cause: error });
}

function headersOf(message: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2) headers.append(message.rawHeaders[i]!, message.rawHeaders[i + 1]!);
  return headers;
}
