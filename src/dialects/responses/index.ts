export { chatRequestOf } from "./chat-request.ts";
export { responsesThroughChat } from "./through-chat.ts";
