import { Option, type Command } from "commander";
import { LLAMACPP_BACKENDS } from "../platform/index.ts";
// Its type only: every command reads this file, and most need no router.
import type { Flags } from "../router/index.ts";

/** The options that `serve` and `run` share. Defaults are told here and applied where settings are resolved, after the environment. */
export function addServerOptions(command: Command): Command {
  return command
    .option("--port <number>", "port to listen on (default: 8000, env LEMONADE_PORT)")
    .option("--host <address>", "address to listen on (default: localhost, env LEMONADE_HOST)")
    .option("--log-level <level>", "critical, error, warning, info, debug or trace (default: info, env LEMONADE_LOG_LEVEL)")
    .option("--ctx-size <tokens>", "context of a loaded model (default: 4096, env LEMONADE_CTX_SIZE)")
    .addOption(
      new Option("--llamacpp <backend>", "llama.cpp build to use (default: auto, env LEMONADE_LLAMACPP)").choices(LLAMACPP_BACKENDS),
    )
    .option("--llamacpp-args <arguments>", "further arguments for llama-server, one string (env LEMONADE_LLAMACPP_ARGS)")
    .option("--llamacpp-bin <path>", "llama-server executable to use (env LEMONADE_LLAMACPP_BIN)")
    .option("--models-dir <dir>", "folder of GGUF files to serve; may be given several times (env LEMONADE_MODELS_DIR)", collect)
    .option("--registry <file>", "models to know in place of the built-in ones, a file like server_models.json (env LEMONADE_REGISTRY)")
    .option("--max-loaded-models <n>", "models of each kind that stay loaded (default: 1, env LEMONADE_MAX_LOADED_MODELS)")
    .option("--models-max <n>", "models of all kinds that stay loaded, 0 for any number (env LEMONADE_MODELS_MAX)")
    .option("--idle-unload <seconds>", "unload a model after so long without requests (default: never, env LEMONADE_IDLE_UNLOAD)")
    .option("--models-preset <file>", "options per model, a preset file of llama.cpp's router mode (env LEMONADE_MODELS_PRESET)")
    .option("--no-models-autoload", "requests load no models (env LEMONADE_NO_MODELS_AUTOLOAD)")
    .option("--allowed-hosts <names>", "further host names it answers under, separated by commas (env LEMONADE_ALLOWED_HOSTS)")
    .option("--allowed-origins <origins>", "web pages of these origins may use it, separated by commas (env LEMONADE_ALLOWED_ORIGINS)")
    .option("--webapp-dir <dir>", "folder of a web page to serve instead of the built-in one (env LEMONADE_WEBAPP_DIR)")
    .option("--without-api-key", "listen on an address that others can reach without asking for a key")
    .addOption(new Option("--no-tray", "accepted for compatibility; there is no tray").hideHelp());
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** The flags again as words, for a server started in the background. */
export function serverArguments(flags: Flags): string[] {
  const words: [string, string | undefined][] = [
    ["--port", flags.port],
    ["--host", flags.host],
    ["--log-level", flags.logLevel],
    ["--ctx-size", flags.ctxSize],
    ["--llamacpp", flags.llamacpp],
    ["--llamacpp-args", flags.llamacppArgs],
    ["--llamacpp-bin", flags.llamacppBin],
    ["--registry", flags.registry],
    ["--max-loaded-models", flags.maxLoadedModels],
    ["--models-max", flags.modelsMax],
    ["--idle-unload", flags.idleUnload],
    ["--models-preset", flags.modelsPreset],
    ["--allowed-hosts", flags.allowedHosts],
    ["--allowed-origins", flags.allowedOrigins],
    ["--webapp-dir", flags.webappDir],
    ...(flags.modelsDir ?? []).map((dir): [string, string] => ["--models-dir", dir]),
  ];
  const valued = words.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
  const switches = [
    ...(flags.withoutApiKey === true ? ["--without-api-key"] : []),
    ...(flags.modelsAutoload === false ? ["--no-models-autoload"] : []),
  ];
  return [...valued, ...switches];
}
