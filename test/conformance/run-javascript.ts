import OpenAI, { APIError } from "openai";
import type { Call, Result, Target } from "./result.ts";

export async function runJavaScript(
  { baseUrl, apiKey, repeatsRequests = false }: Target,
  calls: readonly Call[],
): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const call of calls) {
    const client = new OpenAI({
      baseURL: baseUrl,
      apiKey: call.apiKey ?? apiKey,
      timeout: 60_000,
      ...(repeatsRequests ? {} : { maxRetries: 0 }),
    });
    // What a program sees of an answer: getters such as `output_text` and decoded vectors included.
    results.push(JSON.parse(JSON.stringify(await make(client, call))) as Result);
  }
  return results;
}

async function make(client: OpenAI, { method, args = [], body, extra }: Call): Promise<Result> {
  const path = method.split(".");
  const name = path.pop() ?? "";
  const resource = path.reduce<unknown>((owner, part) => (owner as Record<string, unknown>)[part], client) as Record<
    string,
    (...args: readonly unknown[]) => Promise<unknown>
  >;
  const events: unknown[] = [];
  try {
    const value = await resource[name]!(...args, ...(body === undefined ? [] : [{ ...body, ...extra }]));
    if (body?.["stream"] !== true) return { value };
    for await (const event of value as AsyncIterable<unknown>) events.push(event);
    return { events };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const { status = null, code = null, type = null, message } = error;
    return { events, error: { class: error.constructor.name, status, code, type: type ?? null, message } };
  }
}
