import { ApiError, invalidRequest } from "./api-error.ts";
import type { AnswerForm } from "./answer-form.ts";
import { readChatRequest } from "./chat-request.ts";
import type { ChatTemplate } from "./chat-template.ts";
import { harmonyForm } from "./harmony-form.ts";
import type { RequestBody } from "./request-fields.ts";
import { taggedForm } from "./tagged-form.ts";

/** What a chat request comes to. */
export interface ChatPlan extends AnswerForm {
  readonly prompt: string;
}

export function planChat(body: RequestBody, template: ChatTemplate, newId: () => string): ChatPlan {
  const request = readChatRequest(body);
  const rendered = template.render(request.messages, request);
  try {
    const form = template.isHarmony ? harmonyForm(request, { newId }) : taggedForm(request, { template, rendered, newId });
    return { ...form, prompt: rendered + form.begin };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // What a schema asks for cannot be said.
    throw invalidRequest(`"json_schema": ${error instanceof Error ? error.message : String(error)}`);
  }
}
