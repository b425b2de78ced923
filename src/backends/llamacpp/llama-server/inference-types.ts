/** A JSON object whose fields are not all known here: engines add new ones. */
export interface JsonObject {
  readonly [field: string]: unknown;
}

/** One message of a conversation, as OpenAI's API has it. */
export interface ChatMessage extends JsonObject {
  /** `system`, `user`, `assistant` or `tool`. */
  readonly role: string;
  /** Text, or parts such as text and images; `null` beside tool calls. */
  readonly content?: unknown;
}

/** Body of a request for a chat completion; every further field goes to the engine as it is. */
export interface ChatCompletionRequest extends JsonObject {
  readonly messages: readonly ChatMessage[];
  /** Most tokens of the answer. */
  readonly max_tokens?: number | undefined;
  /** 0 takes the likeliest token, higher values are more random. */
  readonly temperature?: number | undefined;
  /** The same seed gives the same answer on the same build. */
  readonly seed?: number | undefined;
}

/** How many tokens a request cost. */
export interface TokenUsage extends JsonObject {
  readonly prompt_tokens: number;
  readonly completion_tokens?: number | undefined;
  readonly total_tokens: number;
}

/** A chat completion. */
export interface ChatCompletion extends JsonObject {
  readonly id: string;
  /** The alias of the server. */
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: { readonly role: string; readonly content: string | null; readonly [field: string]: unknown };
    /** `stop`, `length` or `tool_calls`. */
    readonly finish_reason: string | null;
  }[];
  readonly usage?: TokenUsage | undefined;
}

/** One piece of a streamed chat completion. */
export interface ChatChunk extends JsonObject {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: { readonly role?: string; readonly content?: string | null; readonly [field: string]: unknown };
    /** Set in the last piece of a choice, whose delta is empty. */
    readonly finish_reason: string | null;
  }[];
  readonly usage?: TokenUsage | null | undefined;
}

/** Body of a request for a completion; every further field goes to the engine as it is. */
export interface CompletionRequest extends JsonObject {
  /** Text, texts or tokens. */
  readonly prompt: unknown;
  readonly max_tokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly seed?: number | undefined;
}

/** A completion, or one piece of a streamed one. */
export interface Completion extends JsonObject {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly { readonly index: number; readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: TokenUsage | undefined;
}

/** Body of a request for embeddings. */
export interface EmbeddingsRequest extends JsonObject {
  /** Text, texts or tokens. */
  readonly input: unknown;
}

/** One vector for each input. */
export interface Embeddings extends JsonObject {
  readonly data: readonly { readonly index: number; readonly embedding: readonly number[] }[];
  readonly usage?: TokenUsage | undefined;
}

/** Body of a request for a ranking of documents; the server must have been started with `--reranking`. */
export interface RerankRequest extends JsonObject {
  readonly query: string;
  readonly documents: readonly string[];
  /** How many of the best to return. Defaults to all. */
  readonly top_n?: number | undefined;
}

/** Documents by their place in the request, each with its score; higher is more relevant. */
export interface RerankResult extends JsonObject {
  readonly results: readonly { readonly index: number; readonly relevance_score: number }[];
}

/** Body of a request for tokens. */
export interface TokenizeRequest extends JsonObject {
  readonly content: string;
  /** Whether special tokens are put around the text. The engine's default is `false`. */
  readonly add_special?: boolean | undefined;
  /** Whether the text of each token is returned with it. The engine's default is `false`. */
  readonly with_pieces?: boolean | undefined;
}

/** The tokens of a text; with pieces, a piece that is no valid text on its own is an array of bytes. */
export interface TokenizeResult extends JsonObject {
  readonly tokens: readonly (number | { readonly id: number; readonly piece: string | readonly number[] })[];
}

/** Body of a request for the text of tokens. */
export interface DetokenizeRequest extends JsonObject {
  readonly tokens: readonly number[];
}

/** The text of tokens. */
export interface DetokenizeResult extends JsonObject {
  readonly content: string;
}

/** What the engine says of itself and its model. */
export interface ServerProps extends JsonObject {
  readonly total_slots?: number | undefined;
  readonly model_path?: string | undefined;
  readonly chat_template?: string | undefined;
  readonly build_info?: string | undefined;
}

/** An answer of the health path. */
export interface HealthStatus {
  /** `ok` once requests are welcome, `loading` while the model is being read, `error` for anything else. */
  readonly status: "ok" | "loading" | "error";
  /** The HTTP status of the answer. */
  readonly httpStatus: number;
  /** The answer as the engine gave it: parsed JSON, or text that is not JSON. */
  readonly body: unknown;
}
