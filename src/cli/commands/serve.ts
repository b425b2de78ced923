import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { errorMessage, RouterError } from "../../errors.ts";
import { createApp, listen, type Listener, type ListenOptions, type SourceRules } from "../../http/index.ts";
import { findPortHolder, formatLogLine, isLoopback, Log } from "../../platform/index.ts";
import { createRouter, LogHistory, readApiKeys, resolveSettings, temporaryApiKey, type Flags, type Settings } from "../../router/index.ts";
import { EXIT } from "../exit-codes.ts";
import { claimServer, findServer, releaseServer, serverUrl, type ServerState } from "../server-state.ts";
import { VERSION } from "../version.ts";

/** How long the last bytes of answers may take once everything else has ended, in milliseconds. */
const FLUSH_MS = 2000;

/** Runs the server in the foreground until SIGINT or SIGTERM. Returns the exit code. */
export async function serve(flags: Flags): Promise<number> {
  const settings = resolveSettings(flags, process.env);
  const running = await findServer(settings.runDir);
  if (running !== undefined) return alreadyRunning(running);
  const apiKeys = readApiKeys(settings.cacheDir, process.env);
  if (apiKeys.length === 0) requireLoopback(settings);
  const command = await temporaryApiKey("the lemonade command");
  console.log("Starting Lemonade Server...");
  const history = new LogHistory();
  const log = new Log({
    level: settings.logLevel,
    sink(line) {
      history.add(line);
      process.stderr.write(`${formatLogLine(line)}\n`);
    },
  });
  surviveMistakes(log);
  const stopping = untilSignal();
  warnOfMissing(settings, log);
  const router = await createRouter({ settings, log, env: process.env });
  let listener: Listener | undefined;
  try {
    const app = createApp({
      router,
      settings,
      log,
      history,
      version: VERSION,
      cacheDir: settings.cacheDir,
      apiKeys,
      commandKey: command.key,
      sourceRules: sourceRulesOf(settings),
      onShutdown: stopping.signal,
    });
    listener = await listenOrExplain({
      host: settings.host,
      port: settings.port,
      fetch: app.fetch,
      onMistake: (error) => reportMistake(log, error),
    });
    const rival = await claimServer(settings.runDir, {
      port: listener.port,
      host: settings.host,
      version: VERSION,
      commandKey: command.secret,
    });
    if (rival !== undefined) return alreadyRunning(rival);
    printBanner({ host: settings.host, port: listener.port });
    void router.loadOnStartup();
    await stopping.first;
    log.info("serve", "stopping: running requests may finish; interrupt again to end them now");
    const accepted = listener.stop({ force: false });
    void stopping.second.then(() => router.kill());
    await router.close();
    history.close();
    // What has been answered may still be on its way to a client that reads slowly.
    await Promise.race([accepted, stopping.second, new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
    return EXIT.success;
  } finally {
    await listener?.stop({ force: true });
    await router.close({ drainMs: 0 });
    await releaseServer(settings.runDir);
  }
}

/** What is not there may still come, a disk that is mounted later; but more often it is mistyped. */
function warnOfMissing({ modelsDirs, llamacppBin }: Settings, log: Log): void {
  for (const dir of modelsDirs) if (!existsSync(dir)) log.warning("serve", `there is no folder ${dir} of models (--models-dir)`);
  if (llamacppBin === undefined || existsSync(llamacppBin)) return;
  log.warning("serve", `there is no llama-server at ${llamacppBin} (--llamacpp-bin or LEMONADE_LLAMACPP_BIN)`);
}

/** A mistake of ours in one request must not cost everybody else's: it is logged with its stack, and the server goes on. */
function surviveMistakes(log: Log): void {
  const report = (error: unknown): void => reportMistake(log, error);
  process.on("unhandledRejection", report).on("uncaughtException", report);
}

function reportMistake(log: Log, error: unknown): void {
  log.write("critical", "serve", error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function alreadyRunning({ port }: ServerState): number {
  console.log(`Lemonade Server is already running on port ${port}\nPlease stop the existing server before starting a new instance.`);
  return EXIT.alreadyRunning;
}

function printBanner(address: { host: string; port: number }): void {
  const url = serverUrl(address);
  console.log(`🍋 Lemonade Server v${VERSION} is ready at ${url}`);
  console.log(`   OpenAI API: ${url}/v1   Lemonade API: ${url}/api/v1   stop: Ctrl-C or \`lemonade stop\``);
}

async function listenOrExplain(options: ListenOptions): Promise<Listener> {
  try {
    return listen(options);
  } catch (error) {
    if (!(error instanceof RouterError) || error.code !== "PORT_IN_USE") throw error;
    const holder = await findPortHolder(options.port);
    const who = holder === undefined ? "" : ` by process ${holder.pid} (${holder.name})`;
    throw new RouterError("PORT_IN_USE", `${errorMessage(error)}${who}`, { cause: error, hint: "Choose another one: --port 8001" });
  }
}

/** Whoever reaches a server without keys is its owner, so it is out of reach of others unless they are wanted. */
function requireLoopback({ host, isWithoutApiKey }: Settings): void {
  if (isLoopback(host) || isWithoutApiKey) return;
  throw new RouterError("CONFIG_INVALID", `On ${host} others can reach the server, and it has no API key`, {
    hint: "Make one with `lemonade keys add NAME`, set LEMONADE_API_KEY, or say --without-api-key.",
  });
}

/** A server that others reach is called by the name of its machine too. */
function sourceRulesOf({ host, allowedHosts, allowedOrigins }: Settings): SourceRules {
  const machine = hostname().toLowerCase();
  return { allowedHosts: [host.toLowerCase(), machine, `${machine}.local`, ...allowedHosts], allowedOrigins };
}

/** The first SIGINT or SIGTERM (or call of `signal`), and the second one for a user in a hurry. */
function untilSignal(): { first: Promise<void>; second: Promise<void>; signal: () => void } {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let count = 0;
  const onSignal = () => (++count === 1 ? first : second).resolve();
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("SIGHUP", onSignal);
  return { first: first.promise, second: second.promise, signal: onSignal };
}
