export { LemonadeApiError } from "./api-error.ts";
export type * from "./answers.ts";
export {
  LemonadeClient,
  type CallOptions,
  type InstallOptions,
  type LemonadeClientOptions,
  type LoadWishes,
  type LogWishes,
} from "./lemonade-client.ts";
