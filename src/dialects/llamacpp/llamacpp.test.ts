import { describe, expect, test } from "bun:test";
import { ERRORS, RouterError, type ErrorCode } from "../../errors.ts";
import type { ModelEvent } from "../../model/index.ts";
import {
  explainUseFailure,
  LlamaCppError,
  maskSecrets,
  renderListedModel,
  renderLlamaCppError,
  renderModelEvent,
  renderRouterProps,
  type ListedModel,
} from "./index.ts";

describe("an error on llama.cpp's own paths", () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])("%s has the status as a number beside our code, and the text for every client", (code) => {
    const { status, body } = renderLlamaCppError(new RouterError(code, "what failed", { hint: "what to do" }));
    const message = "what failed. what to do";
    expect(body.error).toMatchObject({ code: status, reason: code.toLowerCase(), message, source: "lemonade" });
    expect(body).toMatchObject({ detail: message, message, status: "error" });
    expect(status).toBeGreaterThanOrEqual(400);
  });

  test.each([
    ["MODEL_NOT_FOUND", 400, "invalid_request_error"],
    ["MODEL_NOT_LOADED", 400, "invalid_request_error"],
    ["UNAUTHORIZED", 401, "authentication_error"],
    ["BODY_NOT_JSON", 500, "server_error"],
    ["MODEL_LIMIT_REACHED", 500, "server_error"],
    ["INTERNAL", 500, "server_error"],
    ["SHUTTING_DOWN", 503, "unavailable_error"],
  ] as const)("%s is %d %s", (code, status, type) => {
    const rendered = renderLlamaCppError(new RouterError(code, "x"));
    expect([rendered.status, rendered.body.error.type]).toEqual([status, type]);
  });

  test("may have the status of one route, and hides what strangers shall not see", () => {
    expect(renderLlamaCppError(new LlamaCppError("MODEL_NOT_FOUND", "x", { status: 404 })).status).toBe(404);
    expect(renderLlamaCppError(new Error("/home/secret")).body.message).not.toContain("secret");
    expect(renderLlamaCppError(new RouterError("INTERNAL", "a b"), () => "hidden").body.detail).toBe("hidden");
  });

  test("about a model that cannot be used begins with llama.cpp's words", () => {
    const failed = explainUseFailure("m", new RouterError("MODEL_LOAD_FAILED", "no memory"), { isListed: true });
    expect(renderLlamaCppError(failed)).toMatchObject({ status: 500, body: { message: "model name=m failed to load: no memory" } });
    const unknown = explainUseFailure("m", new RouterError("MODEL_NOT_FOUND", "…", { hint: "Did you mean n?" }), { isListed: false });
    expect(renderLlamaCppError(unknown)).toMatchObject({ status: 400, body: { message: "model 'm' not found. Did you mean n?" } });
    const other = new RouterError("QUEUE_FULL", "…");
    expect(explainUseFailure("m", other, { isListed: true })).toBe(other);
    const elsewhere = explainUseFailure("m", new RouterError("MODEL_NOT_DOWNLOADED", "not here"), { isListed: false });
    expect(renderLlamaCppError(elsewhere)).toMatchObject({ status: 400, body: { message: "model 'm' not found" } });
  });
});

test.each<[ModelEvent, unknown]>([
  [
    { kind: "loading", model: "m" },
    { model: "m", event: "model_status", data: { status: "loading" } },
  ],
  [
    { kind: "progress", model: "m", progress: { stages: ["text_model", "mmproj_model"], stage: "text_model", fraction: 0.5 } },
    {
      model: "m",
      event: "status_change",
      data: { status: "loading", progress: { stages: ["text_model", "mmproj_model"], current: "text_model", value: 0.5 } },
    },
  ],
  [
    { kind: "loaded", model: "m", info: { meta: { n_ctx: 1 } } },
    { model: "m", event: "status_change", data: { status: "loaded", info: { meta: { n_ctx: 1 } } } },
  ],
  [
    { kind: "loaded", model: "m" },
    { model: "m", event: "status_change", data: { status: "loaded" } },
  ],
  [
    { kind: "sleeping", model: "m" },
    { model: "m", event: "status_change", data: { status: "sleeping" } },
  ],
  [
    { kind: "unloaded", model: "m", exitCode: 1 },
    { model: "m", event: "status_change", data: { status: "unloaded", exit_code: 1 } },
  ],
  [
    { kind: "downloading", model: "o/r", files: [] },
    { model: "o/r", event: "model_status", data: { status: "downloading" } },
  ],
  [
    { kind: "downloading", model: "o/r", files: [{ url: "u", doneBytes: 1, totalBytes: 2 }] },
    { model: "o/r", event: "download_progress", data: { progress: { u: { done: 1, total: 2 } } } },
  ],
  [
    { kind: "downloaded", model: "o/r", isComplete: true },
    { model: "o/r", event: "download_finished" },
  ],
  [
    { kind: "downloaded", model: "o/r", isComplete: false },
    { model: "o/r", event: "download_failed" },
  ],
  [
    { kind: "deleted", model: "m" },
    { model: "m", event: "model_remove" },
  ],
  [{ kind: "reloaded" }, { model: "*", event: "models_reload" }],
])("the event %j has the names of llama.cpp's router", (event, expected) => {
  expect(renderModelEvent(event)).toEqual(expected as ReturnType<typeof renderModelEvent>);
});

describe("an entry of the list of models", () => {
  const model: ListedModel = {
    id: "m",
    aliases: ["a"],
    tags: ["t"],
    status: "unloaded",
    args: ["llama-server"],
    preset: "[m]\n\n",
    source: "models_dir",
    isRemovable: false,
    seesImages: true,
    hearsAudio: false,
  };

  test("has the fields of llama.cpp's router", () => {
    expect(renderListedModel(model, 5)).toEqual({
      id: "m",
      aliases: ["a"],
      tags: ["t"],
      object: "model",
      owned_by: "llamacpp",
      created: 5,
      status: { value: "unloaded", args: ["llama-server"], preset: "[m]\n\n" },
      architecture: { input_modalities: ["text", "image"], output_modalities: ["text"] },
      source: "models_dir",
      can_remove: false,
    });
  });

  test("takes over what the engine says, except where the router knows better", () => {
    const entry = renderListedModel({ ...model, status: "loaded", info: { id: "other", aliases: ["m"], meta: { n_ctx: 512 } } }, 5);
    expect(entry).toMatchObject({ id: "m", aliases: ["a"], meta: { n_ctx: 512 } });
  });

  test("says how the last run failed, and how far a download is", () => {
    expect(renderListedModel({ ...model, failure: { exitCode: 1, message: "no memory" } }, 5)["status"]).toMatchObject({
      failed: true,
      exit_code: 1,
      message: "no memory",
    });
    const download = [{ url: "u", doneBytes: 1, totalBytes: 2 }];
    expect(renderListedModel({ ...model, status: "downloading", download }, 5)["status"]).toMatchObject({
      value: "downloading",
      progress: { u: { done: 1, total: 2 } },
    });
  });

  test("shows no secret of the command line", () => {
    expect(maskSecrets(["x", "--hf-token", "hf_abc", "--api-key=abc", "--port", "1"])).toEqual([
      "x",
      "--hf-token",
      "***",
      "--api-key=***",
      "--port",
      "1",
    ]);
  });
});

test("the router's own properties name the role that clients look for", () => {
  const props = renderRouterProps({ maxInstances: 2, isAutoloadOn: false, buildInfo: "b1-abc" });
  expect(props).toMatchObject({ role: "router", max_instances: 2, models_autoload: false, build_info: "b1-abc" });
});
