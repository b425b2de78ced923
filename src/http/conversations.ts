import { RouterError } from "../errors.ts";
import { sha256 } from "../platform/index.ts";

/** A streamed answer that a client may come back to, by the id that the client has given it. */
export interface Conversation {
  /** Id of the model that answers. */
  readonly model: string;
  /** What the engine calls it: another caller who takes the same id there must not meet this one. */
  readonly upstreamId: string;
  /** Aborted when somebody stops the conversation. */
  readonly stopped: AbortSignal;
  /** An engine works on it, and is asked to stop first. */
  isSent: boolean;
}

/** How long an engine that was told to stop a conversation has to end its stream by itself, in milliseconds. */
const STOP_MS = 1000;

/** Conversations remembered; the oldest ones go first. An engine keeps the answer for minutes only. */
const MAX_REMEMBERED = 4096;

/**
 * Which model answers which conversation, so that a client that has lost its connection finds the rest of its answer
 * (`X-Conversation-Id`, llama.cpp's resumable streams). Each caller has ids of its own.
 */
export class Conversations {
  readonly #running = new Map<string, { conversation: Conversation; stop: AbortController }>();

  /** Begins a conversation; an earlier one of that id is forgotten, and stopped if it still waits. */
  begin(id: string, { caller, model }: { caller: string; model: string }): Conversation {
    this.forget(id, caller);
    const stop = new AbortController();
    const conversation: Conversation = { model, upstreamId: upstreamIdOf(id, caller), stopped: stop.signal, isSent: false };
    this.#running.set(keyOf(id, caller), { conversation, stop });
    for (const oldest of this.#running.keys()) {
      if (this.#running.size <= MAX_REMEMBERED) break;
      this.#running.delete(oldest);
    }
    return conversation;
  }

  find(id: string, caller: string): Conversation | undefined {
    return this.#running.get(keyOf(id, caller))?.conversation;
  }

  /** Forgets a conversation and ends it: one that still waits for its model with an error, one that an engine works on, told to stop, soon. */
  forget(id: string, caller: string, { isEngineTold = true }: { isEngineTold?: boolean } = {}): void {
    const known = this.#running.get(keyOf(id, caller));
    if (known === undefined) return;
    this.#running.delete(keyOf(id, caller));
    if (known.conversation.isSent) {
      const halt = () => known.stop.abort(new RouterError("GENERATION_HALTED", "The conversation was stopped"));
      if (isEngineTold) setTimeout(halt, STOP_MS).unref();
      else halt();
      return;
    }
    known.stop.abort(new RouterError("INVALID_REQUEST", "request cancelled by a stop while the model was loading"));
  }
}

const keyOf = (id: string, caller: string): string => `${caller}\n${id}`;

const upstreamIdOf = (id: string, caller: string): string => sha256(keyOf(id, caller)).toString("hex").slice(0, 32);
