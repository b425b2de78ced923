import { text } from "node:stream/consumers";
import { isSameProcess } from "../../platform/index.ts";
import { resolveSettings, type Flags } from "../../router/index.ts";
import { chatOnTerminal, printAnswer } from "../chat-session.ts";
import { endServer } from "../end-server.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible, Interruption } from "../interruptible.ts";
import { loadModel } from "../load-model.ts";
import { clientOf } from "../running-client.ts";
import { findServer, serverUrl, type ServerState } from "../server-state.ts";
import { startBackgroundServer } from "../start-background-server.ts";
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
      return { server: found, wasStarted: running === undefined, model: await loadModel(clientOf(found), modelOrPath, { signal }) };
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

const POLL_MS = 250;

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
