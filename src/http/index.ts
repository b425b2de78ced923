export { createApp, type App, type AppOptions } from "./app.ts";
export { listen, type Listener, type ListenOptions } from "./listen.ts";
export type { SourceRules } from "./security/index.ts";
