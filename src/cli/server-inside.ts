import { LemonadeClient } from "../client/index.ts";
import { createApp } from "../http/index.ts";
import { formatLogLine, Log } from "../platform/index.ts";
import { createRouter, LogHistory, resolveSettings, temporaryApiKey } from "../router/index.ts";
import type { OpenedServer } from "./open-server.ts";
import { VERSION } from "./version.ts";

/** The application inside this process, asked without a socket. */
export async function openServerInside(): Promise<OpenedServer> {
  const settings = resolveSettings({}, process.env);
  const log = new Log({ level: "warning", sink: (line) => process.stderr.write(`${formatLogLine(line)}\n`) });
  const router = await createRouter({ settings, log, env: process.env });
  const command = await temporaryApiKey("the lemonade command");
  const app = createApp({
    router,
    settings,
    log,
    history: new LogHistory(),
    version: VERSION,
    cacheDir: settings.cacheDir,
    apiKeys: [],
    commandKey: command.key,
    sourceRules: { allowedHosts: [], allowedOrigins: [] },
    onShutdown: () => {},
  });
  const connection = { upgrade: () => false, bodyIsRead: () => {}, answerHasEnded: () => {} };
  const client = new LemonadeClient({
    apiKey: command.secret,
    fetch: async (url, init) => await app.fetch(new Request(url, init), connection),
  });
  return {
    client,
    isRunning: false,
    async [Symbol.asyncDispose]() {
      await router.close({ drainMs: 0 });
    },
  };
}
