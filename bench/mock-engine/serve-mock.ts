import type { Socket } from "bun";
import { makeAnswers, type Answers } from "./answers.ts";
import { takeRequest, type MockRequest } from "./take-request.ts";

/** What a connection of the mock remembers. */
interface Connection {
  /** Bytes of a request that is not complete yet. */
  pending: Buffer | undefined;
  /** Bytes that the system has not taken yet. */
  unsent: Uint8Array | undefined;
  /** Events still to be sent, or undefined when no stream is running. */
  eventsLeft: number | undefined;
}

export interface Mock {
  noteReady(): void;
}

/**
 * Serves on bare sockets: an HTTP server would cost more than the proxies that are measured. Streams take turns event by event, each
 * event in its own write, as tokens come from an engine that decodes a batch.
 */
export function serveMock(options: { hostname: string; port: number; model: string }): Mock {
  const answers = makeAnswers(options.model);
  const turns = new StreamTurns(answers);
  let readyMs: number | undefined;
  let firstRequestMs: number | undefined;

  const answer = (socket: Socket<Connection>, { path, body }: MockRequest): void => {
    if (path === "/health") return send(socket, json({ status: "ok" }));
    if (path === "/bench/facts") return send(socket, json({ readyMs, firstRequestMs }));
    firstRequestMs ??= performance.now();
    const stream = /"stream":\s*true/.test(body);
    if (!stream) return send(socket, answers.completion);
    const events = Number(/"max_tokens":\s*(\d+)/.exec(body)?.[1] ?? 100);
    send(socket, answers.streamHead);
    if (/"idle":\s*true/.test(body)) send(socket, answers.event);
    else turns.add(socket, events);
  };

  Bun.listen<Connection>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open(socket) {
        socket.data = { pending: undefined, unsent: undefined, eventsLeft: undefined };
        socket.setNoDelay(true);
      },
      data(socket, bytes) {
        const state = socket.data;
        let buffer = state.pending === undefined ? bytes : Buffer.concat([state.pending, bytes]);
        for (let taken = takeRequest(buffer); taken !== undefined; taken = takeRequest(buffer)) {
          buffer = buffer.subarray(taken.length);
          answer(socket, taken);
        }
        state.pending = buffer.length === 0 ? undefined : Buffer.from(buffer);
      },
      drain(socket) {
        const { unsent } = socket.data;
        socket.data.unsent = undefined;
        if (unsent !== undefined) send(socket, unsent);
        if (socket.data.unsent === undefined) turns.wake();
      },
      close: (socket) => turns.remove(socket),
      error: (socket) => turns.remove(socket),
    },
  });
  return {
    noteReady() {
      readyMs = performance.now();
    },
  };
}

function json(value: unknown): Uint8Array {
  const text = JSON.stringify(value);
  return new TextEncoder().encode(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

function send(socket: Socket<Connection>, bytes: Uint8Array): void {
  const { data } = socket;
  if (data.unsent !== undefined) {
    data.unsent = Buffer.concat([data.unsent, bytes]);
    return;
  }
  const sent = socket.write(bytes);
  if (sent >= 0 && sent < bytes.length) data.unsent = bytes.subarray(sent);
}

/** Gives every running stream one event per turn of the event loop, until its reader is slow or it has had its share. */
class StreamTurns {
  readonly #answers: Answers;
  readonly #streams = new Set<Socket<Connection>>();
  #isScheduled = false;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  add(socket: Socket<Connection>, events: number): void {
    socket.data.eventsLeft = events;
    this.#streams.add(socket);
    this.wake();
  }

  remove(socket: Socket<Connection>): void {
    this.#streams.delete(socket);
  }

  wake(): void {
    if (this.#isScheduled || this.#streams.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    let canGoOn = false;
    for (const socket of this.#streams) {
      const { data } = socket;
      if (data.unsent !== undefined) continue;
      if (data.eventsLeft === 0) {
        this.#streams.delete(socket);
        send(socket, this.#answers.streamEnd);
        continue;
      }
      data.eventsLeft = (data.eventsLeft ?? 0) - 1;
      send(socket, this.#answers.event);
      canGoOn = true;
    }
    if (canGoOn) this.wake();
  }
}
