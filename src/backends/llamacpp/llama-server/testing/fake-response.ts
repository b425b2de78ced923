/** What a fake response says beside its body. */
export interface FakeResponseOptions {
  /** Defaults to 200. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Defaults to `http://127.0.0.1:8080`. */
  readonly url?: string | undefined;
}

/** A response as an engine could have given it. Text and bytes are the body as they are; anything else becomes JSON. */
export function fakeResponse(body: unknown, { status = 200, headers, url = "http://127.0.0.1:8080" }: FakeResponseOptions = {}): Response {
  const isRaw = typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream || body === null;
  const response = new Response(isRaw ? body : JSON.stringify(body), {
    status,
    headers: { ...(isRaw ? {} : { "content-type": "application/json; charset=utf-8" }), ...headers },
  });
  return Object.defineProperty(response, "url", { value: url });
}

/** A streamed response: each item becomes one server-sent event, and `[DONE]` ends it. */
export function fakeStream(items: readonly unknown[], options: FakeResponseOptions = {}): Response {
  const events = [...items.map((item) => JSON.stringify(item)), "[DONE]"].map((data) => `data: ${data}\n\n`);
  return fakeResponse(events.join(""), { ...options, headers: { "content-type": "text/event-stream", ...options.headers } });
}
