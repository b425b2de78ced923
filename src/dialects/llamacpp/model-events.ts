import type { FileProgress, ModelEvent } from "../../model/index.ts";

interface LlamaCppEvent {
  readonly model: string;
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Files by address, as events and lists show them. */
export function renderFiles(files: readonly FileProgress[]): Record<string, { done: number; total: number }> {
  return Object.fromEntries(files.map(({ url, doneBytes, totalBytes }) => [url, { done: doneBytes, total: totalBytes }]));
}

/** An event with the names of llama.cpp's router: the first one of a process is `model_status`, what follows is `status_change`. */
export function renderModelEvent(event: ModelEvent): LlamaCppEvent {
  switch (event.kind) {
    case "loading":
      return { model: event.model, event: "model_status", data: { status: "loading" } };
    case "progress": {
      const { stages, stage, fraction } = event.progress;
      return statusChange(event.model, { status: "loading", progress: { stages, current: stage, value: fraction } });
    }
    case "loaded":
      return statusChange(event.model, { status: "loaded", ...(event.info === undefined ? {} : { info: event.info }) });
    case "sleeping":
      return statusChange(event.model, { status: "sleeping" });
    case "unloaded":
      return statusChange(event.model, { status: "unloaded", exit_code: event.exitCode });
    case "downloading":
      // Without a file yet it is the first event of the download.
      if (event.files.length === 0) return { model: event.model, event: "model_status", data: { status: "downloading" } };
      return { model: event.model, event: "download_progress", data: { progress: renderFiles(event.files) } };
    case "downloaded":
      return { model: event.model, event: event.isComplete ? "download_finished" : "download_failed" };
    case "deleted":
      return { model: event.model, event: "model_remove" };
    case "reloaded":
      return { model: "*", event: "models_reload" };
    default:
      return event satisfies never;
  }
}

function statusChange(model: string, data: Readonly<Record<string, unknown>>): LlamaCppEvent {
  return { model, event: "status_change", data };
}
