import { errorMessage, RouterError } from "../errors.ts";
import { serverUrl, type ServerState } from "./server-state.ts";

/** A chat message as OpenAI's API has it. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A piece of a streamed answer. */
export interface ChatPiece {
  readonly kind: "content" | "reasoning";
  readonly text: string;
}

/** The command's own client of the running server. */
export class ServerClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(server: ServerState) {
    this.#url = serverUrl(server);
    this.#headers = { "content-type": "application/json", authorization: `Bearer ${server.commandKey}` };
  }

  async load(model: string, signal: AbortSignal): Promise<string> {
    const response = await this.#post("/api/v1/load", { model_name: model }, signal);
    const { model_name: name } = (await response.json()) as { model_name?: unknown };
    return String(name);
  }

  /** Percent of a load that is under way, where the engine tells. */
  async loadProgress(model: string, signal: AbortSignal): Promise<number | undefined> {
    const response = await fetch(`${this.#url}/api/v1/health`, { signal, headers: this.#headers });
    const { all_models_loaded: models } = (await response.json()) as {
      all_models_loaded: { model_name: string; load_progress: number | null }[];
    };
    return models.find((status) => status.model_name === model)?.load_progress ?? undefined;
  }

  /** Streams the answer to a conversation. */
  async *chat(model: string, messages: readonly ChatMessage[], signal: AbortSignal): AsyncGenerator<ChatPiece> {
    const response = await this.#post("/api/v1/chat/completions", { model, messages, stream: true }, signal);
    if (response.body === null) return;
    let rest = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: {")) yield* pieces(line.slice("data: ".length));
    }
  }

  async #post(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#url + path, {
        method: "POST",
        headers: this.#headers,
        body: JSON.stringify(body),
        signal,
        // A model may load for many minutes before the first byte.
        timeout: false,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new RouterError("UPSTREAM_UNREACHABLE", `The server at ${this.#url} does not answer: ${errorMessage(error)}`, { cause: error });
    }
    if (response.ok) return response;
    throw new RouterError("INTERNAL", await errorText(response));
  }
}

function* pieces(json: string): Generator<ChatPiece> {
  const event = JSON.parse(json) as {
    error?: { message?: string };
    choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[];
  };
  if (event.error !== undefined) throw new RouterError("INTERNAL", event.error.message ?? "The answer broke off");
  const delta = event.choices?.[0]?.delta;
  if (delta?.reasoning_content) yield { kind: "reasoning", text: delta.reasoning_content };
  if (delta?.content) yield { kind: "content", text: delta.content };
}

async function errorText(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } };
    if (error?.message !== undefined) return error.message;
  } catch {
    // Not JSON: something else answers on that port.
  }
  return `The server answered ${response.status}: ${text.slice(0, 500)}`;
}
