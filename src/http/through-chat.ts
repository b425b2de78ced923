import { chatRequestOf, responsesThroughChat } from "../dialects/index.ts";
import type { Detour } from "./relay.ts";

/** A request to the Responses API as a chat, for an engine that knows no other. */
export function throughChat(fields: Readonly<Record<string, unknown>>): Detour {
  const body = new TextEncoder().encode(JSON.stringify(chatRequestOf(fields)));
  return { path: "/v1/chat/completions", body, translation: responsesThroughChat() };
}
