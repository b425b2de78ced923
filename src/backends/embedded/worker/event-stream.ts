/** A body of server-sent events that is written to, with comments while it is silent. */
export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #cancelled = new AbortController();
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #ping: NodeJS.Timeout | undefined;
  #isSilent = true;

  constructor({ pingIntervalSeconds }: { readonly pingIntervalSeconds: number | undefined }) {
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#stop(),
    });
    if (pingIntervalSeconds !== undefined) this.#ping = setInterval(() => this.#keepAlive(), pingIntervalSeconds * 1000);
  }

  /** Aborted when the client has gone. */
  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  send(data: unknown): void {
    this.#isSilent = false;
    this.#write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  }

  close(): void {
    clearInterval(this.#ping);
    try {
      this.#controller?.close();
    } catch {
      // The client has closed it already.
    }
    this.#controller = undefined;
  }

  #keepAlive(): void {
    if (this.#isSilent) this.#write(":\n\n");
    this.#isSilent = true;
  }

  #write(text: string): void {
    try {
      this.#controller?.enqueue(this.#encoder.encode(text));
    } catch {
      this.#stop();
    }
  }

  #stop(): void {
    clearInterval(this.#ping);
    this.#controller = undefined;
    this.#cancelled.abort(new Error("the client has gone"));
  }
}
