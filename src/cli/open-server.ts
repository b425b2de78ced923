import { LemonadeClient } from "../client/index.ts";
import { createApp } from "../http/index.ts";
import { formatLogLine, Log } from "../platform/index.ts";
import { createRouter, LogHistory, resolveSettings, temporaryApiKey } from "../router/index.ts";
import { clientOf } from "./running-client.ts";
import { findServer } from "./server-state.ts";
import { VERSION } from "./version.ts";

export interface OpenedServer extends AsyncDisposable {
  readonly client: LemonadeClient;
  /** Whether it runs by itself; else it is inside this process and goes with it. */
  readonly isRunning: boolean;
}

/**
 * The server that a command works through: the running one, or, without one, the same application inside this process, asked without a
 * socket. So a command is written once and behaves alike in both cases.
 */
export async function openServer(): Promise<OpenedServer> {
  const settings = resolveSettings({}, process.env);
  const running = await findServer(settings.runDir);
  if (running !== undefined) {
    return { client: clientOf(running), isRunning: true, [Symbol.asyncDispose]: async () => {} };
  }
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
