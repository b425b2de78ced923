import { TransientError } from "./retry.ts";
import { connectionError, originOf, type Answer } from "./transport.ts";

/** Ends one request, by itself or with the download that it is part of; leaves nothing behind on the download's signal. */
export class Connection implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #onAbort = (): void => this.#controller.abort(this.#outer.reason);

  constructor(outer: AbortSignal) {
    outer.throwIfAborted();
    this.#outer = outer;
    outer.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outer.removeEventListener("abort", this.#onAbort);
  }
}

/** The body of one answer; gives the connection up when no byte comes for too long while somebody waits for one. */
export class AnswerBody implements AsyncDisposable {
  readonly answer: Answer;
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  #hasEnded = false;

  constructor(answer: Answer, connection: Connection, timeoutMs: number) {
    this.answer = answer;
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const reader = this.answer.response.body?.getReader();
    let isWaiting = false;
    let hasStalled = false;
    const timer = setInterval(() => {
      hasStalled = isWaiting;
      if (hasStalled) this.#connection.abort();
    }, this.#timeoutMs);
    try {
      for (;;) {
        // The time that the reader takes to write a chunk does not count.
        timer.refresh();
        isWaiting = true;
        const next = await reader?.read();
        isWaiting = false;
        if (!next || next.done) break;
        yield next.value;
      }
      this.#hasEnded = true;
    } catch (error) {
      if (!hasStalled) throw connectionError(error, this.answer.url);
      const message = `${originOf(this.answer.url)} sent nothing for ${this.#timeoutMs / 1000} s`;
      throw new TransientError("DOWNLOAD_FAILED", message, { cause: error });
    } finally {
      clearInterval(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // An unread rest would keep the connection busy; one that was read to its end can serve the next part.
    if (!this.#hasEnded) this.#connection.abort();
    await this.#connection[Symbol.asyncDispose]();
  }
}
