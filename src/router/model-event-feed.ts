import type { ModelEvent } from "../model/index.ts";
import { Feed } from "../telemetry/index.ts";

/** Events that may wait for a reader who is slow; then they go, and the reader is told to look at the whole list. */
const MAX_QUEUED_EVENTS = 1000;

/** Hands every event about models to whoever listens. */
export class ModelEventFeed extends Feed<ModelEvent> {
  constructor() {
    super({ maxQueued: MAX_QUEUED_EVENTS, drops: "all", gap: () => ({ kind: "reloaded" }) });
  }
}
