import { until } from "../fixtures/index.ts";

export interface ListedModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly status: {
    readonly value: string;
    readonly args: readonly string[];
    readonly preset: string;
    readonly failed?: boolean;
    readonly exit_code?: number;
  };
  readonly [key: string]: unknown;
}

export interface ModelEvent {
  readonly model: string;
  readonly event: string;
  readonly data?: { readonly status?: string; readonly [key: string]: unknown };
}

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  /** Parsed where it is JSON, else the text. */
  readonly body: unknown;
}

export interface EventReader extends AsyncDisposable {
  readonly events: readonly ModelEvent[];
  /** Waits for the next event that fits, among those so far too. */
  waitFor(what: string, fits: (event: ModelEvent) => boolean): Promise<ModelEvent>;
}

type Init = Omit<RequestInit, "headers"> & { readonly headers?: Readonly<Record<string, string>> };

/** Asks a router as llama.cpp's clients do, whoever serves it. */
export class RouterClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.url = url;
    this.#headers = headers;
  }

  async fetch(path: string, init: Init = {}): Promise<Response> {
    // The real one closes a connection after every error: none is used twice.
    return await fetch(this.url + path, { ...init, headers: { ...this.#headers, ...init.headers }, keepalive: false });
  }

  async call(method: string, path: string, body?: unknown, init: Init = {}): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await this.fetch(path, { method, ...(body === undefined ? {} : { body: text }), ...init });
    const type = response.headers.get("content-type");
    const raw = await response.text();
    return { status: response.status, type, body: type?.startsWith("application/json") && raw !== "" ? JSON.parse(raw) : raw };
  }

  async models(query = ""): Promise<readonly ListedModel[]> {
    const { body } = await this.call("GET", `/models${query}`);
    return (body as { data: readonly ListedModel[] }).data;
  }

  async model(id: string): Promise<ListedModel> {
    const found = (await this.models()).find((model) => model.id === id);
    if (found === undefined) throw new Error(`${id} is not listed`);
    return found;
  }

  async statusOf(id: string): Promise<string> {
    return (await this.model(id)).status.value;
  }

  async reaches(id: string, status: string): Promise<void> {
    await until(`${id} is ${status}`, async () => (await this.statusOf(id)) === status);
  }

  async load(id: string): Promise<void> {
    const { status, body } = await this.call("POST", "/models/load", { model: id });
    if (status !== 200) throw new Error(`load answered ${status}: ${JSON.stringify(body)}`);
    await this.reaches(id, "loaded");
  }

  async tokenize(model: string, init: Init = {}): Promise<Answer> {
    return await this.call("POST", "/tokenize", { model, content: "hello world" }, init);
  }

  /** Follows `/models/sse`; resolves once the server listens to us. */
  async events(): Promise<EventReader> {
    const left = new AbortController();
    const response = await this.fetch("/models/sse", { signal: left.signal });
    const events: ModelEvent[] = [];
    const reading = readEvents(response, events).catch(() => {}); // Leaving ends it.
    return {
      events,
      waitFor: async (what, fits) => await until(what, () => events.find(fits)),
      async [Symbol.asyncDispose]() {
        left.abort();
        await reading;
      },
    };
  }
}

async function readEvents(response: Response, events: ModelEvent[]): Promise<void> {
  let held = "";
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (held + text).split("\n\n");
    held = parts.pop() ?? "";
    for (const part of parts) if (part.startsWith("data: ")) events.push(JSON.parse(part.slice("data: ".length)) as ModelEvent);
  }
}
