export { createRouter, type ModelStatus, type Router, type RouterOptions } from "./router.ts";
export type { LoadOptions } from "./instance.ts";
export type { Lease } from "./lease.ts";
