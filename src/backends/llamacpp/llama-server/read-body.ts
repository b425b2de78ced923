import { transportError } from "./http-client.ts";

/** The body of an answer as parsed JSON, or as text when it is none. */
export async function readBody(response: Response, signal?: AbortSignal): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    throw transportError(error, signal);
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
