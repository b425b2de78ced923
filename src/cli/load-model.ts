import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { LemonadeApiError, type LemonadeClient, type LoadWishes } from "../client/index.ts";
import { hasBackend } from "../model/index.ts";
import { pullModel } from "./commands/pull.ts";
import { ProgressLine } from "./progress-line.ts";

/** Loads a model by its name or path, downloading it first when it is not here, and shows how far it is. Resolves to the model's name. */
export async function loadModel(
  client: LemonadeClient,
  modelOrPath: string,
  wishes: LoadWishes & { signal: AbortSignal },
): Promise<string> {
  return await loadAny(client, meanings(modelOrPath), wishes);
}

/**
 * What the word may mean, first meaning first: what exists on disk is a path, unless a model has that bare word as its name. A path is made
 * absolute, for the server has a working directory of its own.
 */
function meanings(modelOrPath: string): readonly string[] {
  if (!existsSync(modelOrPath)) return [modelOrPath];
  const path = resolve(modelOrPath);
  const isBareWord = !/[/\\]|^\.|\.gguf$/i.test(modelOrPath);
  return isBareWord ? [modelOrPath, path] : [path];
}

type Wishes = Parameters<typeof loadModel>[2];

async function loadAny(client: LemonadeClient, [model = "", ...others]: readonly string[], wishes: Wishes): Promise<string> {
  try {
    return await load(client, model, wishes);
  } catch (error) {
    const isUnknown = error instanceof LemonadeApiError && error.code === "model_not_found";
    if (!isUnknown || others.length === 0) throw error;
    return await loadAny(client, others, wishes);
  }
}

const POLL_MS = 250;

async function load(client: LemonadeClient, model: string, wishes: Wishes): Promise<string> {
  const { signal } = wishes;
  const known = await client.model(model, { signal });
  // The load of a model that no backend runs says so at once.
  if (!known.downloaded && hasBackend(known.recipe)) await pullModel(client, { model_name: model });
  using line = new ProgressLine();
  line.show(`Loading ${model} ...`);
  const timer = setInterval(() => {
    client.health({ signal }).then(
      ({ all_models_loaded: models }) => {
        const loading = models.find(({ model_name: name, state }) => name === model && state === "loading");
        if (loading?.load_stage)
          line.show(`Loading ${model} ... ${loading.load_stage} ${Math.floor((loading.load_progress ?? 0) * 100)} %`);
      },
      () => {}, // Progress is a courtesy; the load itself reports what is wrong.
    );
  }, POLL_MS);
  try {
    return await client.load(model, wishes);
  } finally {
    clearInterval(timer);
  }
}
