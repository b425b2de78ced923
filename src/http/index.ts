export { createApp, type AppOptions } from "./app.ts";
export { listen, type Listener } from "./listen.ts";
