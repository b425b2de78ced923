import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { LemonadeApiError, type LemonadeClient } from "../../client/index.ts";
import { isSameProcess } from "../../platform/index.ts";
import { resolveSettings, type Flags } from "../../router/index.ts";
import { chatOnTerminal, printAnswer } from "../chat-session.ts";
import { endServer } from "../end-server.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible, Interruption } from "../interruptible.ts";
import { ProgressLine } from "../progress-line.ts";
import { clientOf } from "../running-client.ts";
import { findServer, serverUrl, type ServerState } from "../server-state.ts";
import { startBackgroundServer } from "../start-background-server.ts";
import { pullModel } from "./pull.ts";
import { stop } from "./stop.ts";

/**
 * Loads a model in the running server, or in one started in the background, and chats with it: answers one prompt, else chats on the
 * terminal, else (started without a terminal, as by another program) stays with the server it started.
 */
export async function run(modelOrPath: string, flags: Flags & { readonly prompt?: string | undefined }): Promise<number> {
  const settings = resolveSettings(flags, process.env);
  const { server, wasStarted, model } = await interruptible(async (signal) => {
    const running = await findServer(settings.runDir);
    const found = running ?? (await startBackgroundServer(settings.runDir, flags, signal));
    try {
      return { server: found, wasStarted: running === undefined, model: await loadAny(clientOf(found), meanings(modelOrPath), signal) };
    } catch (error) {
      if (running === undefined) await endServer(found, settings.runDir); // It was to serve this model and nothing else.
      throw error;
    }
  });
  const url = serverUrl(server);
  const client = clientOf(server);
  const goodbye = () => console.error(`The server keeps running at ${url}; \`lemonade stop\` ends it.`);
  if (flags.prompt !== undefined) {
    const content = flags.prompt === "-" ? await text(process.stdin) : flags.prompt;
    await interruptible(async (signal) => await printAnswer(client, { model, messages: [{ role: "user", content }], signal }));
    goodbye();
    return EXIT.success;
  }
  console.log(`You can now chat with ${model} at ${url}/?model=${encodeURIComponent(model)}#llm-chat`);
  if (process.stdin.isTTY && process.stdout.isTTY) {
    await chatOnTerminal(client, model);
    goodbye();
  } else if (wasStarted) await stayWith(server);
  return EXIT.success;
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

async function loadAny(client: LemonadeClient, [model = "", ...others]: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    return await load(client, model, signal);
  } catch (error) {
    const isUnknown = error instanceof LemonadeApiError && error.code === "model_not_found";
    if (!isUnknown || others.length === 0) throw error;
    return await loadAny(client, others, signal);
  }
}

const POLL_MS = 250;

async function load(client: LemonadeClient, model: string, signal: AbortSignal): Promise<string> {
  const known = await client.model(model, { signal });
  if (!known.downloaded) await pullModel(client, { model_name: model });
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
    return await client.load(model, { signal });
  } finally {
    clearInterval(timer);
  }
}

/** Waits for the end of the server; an interrupt stops it, since this command started it. */
async function stayWith(server: ServerState): Promise<void> {
  try {
    await interruptible(async (signal) => {
      while (await isSameProcess(server.pid, server.identity)) {
        signal.throwIfAborted();
        await new Promise((resolvePause) => setTimeout(resolvePause, POLL_MS));
      }
    });
  } catch (error) {
    if (!(error instanceof Interruption)) throw error;
    await stop();
  }
}
