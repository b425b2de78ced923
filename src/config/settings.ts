import { readFileSync, statSync, type Stats } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { RouterError } from "../errors.ts";
import {
  directoriesFrom,
  isTruthy,
  LLAMACPP_BACKENDS,
  LOG_LEVELS,
  splitArguments,
  type Directories,
  type LlamaCppBackend,
  type LogLevel,
} from "../platform/index.ts";
import { engineSettingsFrom, type EngineSettings } from "./engine-settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line may say; every field is the raw text of its flag. */
export interface Flags {
  readonly port?: string | undefined;
  readonly host?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly ctxSize?: string | undefined;
  readonly llamacpp?: string | undefined;
  readonly llamacppArgs?: string | undefined;
  readonly llamacppBin?: string | undefined;
  readonly modelsDir?: readonly string[] | undefined;
  readonly registry?: string | undefined;
  readonly maxLoadedModels?: string | undefined;
  readonly modelsMax?: string | undefined;
  readonly idleUnload?: string | undefined;
  readonly modelsPreset?: string | undefined;
  readonly modelsAutoload?: boolean | undefined;
  readonly allowedHosts?: string | undefined;
  readonly allowedOrigins?: string | undefined;
  readonly withoutApiKey?: boolean | undefined;
  readonly webappDir?: string | undefined;
}

const integer = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.trim(),
    v.regex(/^\d+$/, "must be a whole number"),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  );

/** As the keep-alive of llama-server-proc.md (9): 0 ends a model with its last request, a negative number keeps it for ever. */
const idleSeconds = v.pipe(
  v.string(),
  v.trim(),
  v.regex(/^-?\d+(\.\d+)?$/, "must be a number of seconds"),
  v.transform(Number),
  v.maxValue(2_000_000, "must be at most 2000000"), // What a timer can hold.
  v.transform((seconds): number | undefined => (seconds < 0 ? undefined : seconds * 1000)),
);

const choice = <const T extends readonly string[]>(choices: T) => v.picklist(choices, `must be one of ${choices.join(", ")}`);

export interface Settings extends Directories, EngineSettings {
  /** TCP port; 0 lets the system choose. */
  readonly port: number;
  /** Address to listen on; `localhost` means both loopback addresses. */
  readonly host: string;
  readonly logLevel: LogLevel;
  /** Context of a loaded model, in tokens. */
  readonly contextTokens: number;
  /** The user chose it: it wins over what presets say. */
  readonly isContextGiven: boolean;
  readonly llamacppBackend: LlamaCppBackend;
  readonly llamacppArgs: readonly string[];
  /** Path of a `llama-server` to use instead of an installed one. */
  readonly llamacppBin: string | undefined;
  /** Pause between two health probes of a running engine, in milliseconds; 0 for none. */
  readonly healthProbeMs: number;
  /** A failed start on the GPU is final: no second try on the CPU. */
  readonly isCpuFallbackOff: boolean;
  readonly modelsDirs: readonly string[];
  /** A file in the format of `server_models.json` instead of the built-in registry. */
  readonly registryFile: string | undefined;
  /** How many models of each kind (text, embedding, reranking) stay loaded; any number when only `modelsMax` is given. */
  readonly maxLoadedModels: number;
  /** How many models of all kinds together, as llama.cpp's router counts; 0 for any number. */
  readonly modelsMax: number | undefined;
  /** How long a model without requests stays loaded, in milliseconds; for ever when it is not set. */
  readonly idleUnloadMs: number | undefined;
  /** Path of a preset file of llama.cpp's router mode. */
  readonly modelsPreset: string | undefined;
  /** A request for a model that is not loaded loads it. */
  readonly isAutoloadOn: boolean;
  /** Host names under which the server may be asked, beside addresses and `localhost`. */
  readonly allowedHosts: readonly string[];
  /** Origins of web pages that may use the server, beside its own and those of this machine. */
  readonly allowedOrigins: readonly string[];
  /** The user said that a server which others can reach shall ask for no key. */
  readonly isWithoutApiKey: boolean;
  /** Folder of another web page than ours. */
  readonly webappDir: string | undefined;
  /** Generation is made repeatable (`--seed 42`) for tests. */
  readonly isCi: boolean;
}

/** Flags over environment over the saved log level over defaults. Throws `CONFIG_INVALID` naming the flag or the variable. */
export function resolveSettings(flags: Flags, env: Environment): Settings {
  const pick = <T>(flag: string, value: string | undefined, variable: string, schema: v.GenericSchema<string, T>, fallback: T): T => {
    const [origin, text] = value === undefined ? [variable, env[variable]] : [flag, value];
    if (text === undefined || (value === undefined && text === "")) return fallback;
    const parsed = v.safeParse(schema, text);
    if (parsed.success) return parsed.output;
    throw new RouterError("CONFIG_INVALID", `${origin} ${parsed.issues[0].message}, but is "${text}"`);
  };
  const text = v.pipe(v.string(), v.minLength(1, "must not be empty"));
  const directories = directoriesFrom(env);
  const list = v.pipe(v.string(), v.transform(commaList));
  const logLevels = choice(LOG_LEVELS);
  const bin = pick("--llamacpp-bin", flags.llamacppBin, "LEMONADE_LLAMACPP_BIN", text, "");
  const presetFile = pick("--models-preset", flags.modelsPreset, "LEMONADE_MODELS_PRESET", text, "");
  const modelsMax = pick<number | undefined>("--models-max", flags.modelsMax, "LEMONADE_MODELS_MAX", integer(0, 1000), undefined);
  const argumentLine = pick("--llamacpp-args", flags.llamacppArgs, "LEMONADE_LLAMACPP_ARGS", v.string(), "");
  return {
    ...directories,
    ...engineSettingsFrom(env),
    port: pick("--port", flags.port, "LEMONADE_PORT", integer(0, 65_535), 8000),
    host: pick("--host", flags.host, "LEMONADE_HOST", text, "localhost"),
    logLevel:
      (flags.logLevel === undefined ? savedLogLevel(directories.cacheDir) : undefined) ??
      pick("--log-level", flags.logLevel, "LEMONADE_LOG_LEVEL", logLevels, "info"),
    contextTokens: pick("--ctx-size", flags.ctxSize, "LEMONADE_CTX_SIZE", integer(16, 2 ** 31 - 1), 4096),
    isContextGiven: (flags.ctxSize ?? env["LEMONADE_CTX_SIZE"] ?? "") !== "",
    llamacppBackend: pick("--llamacpp", flags.llamacpp, "LEMONADE_LLAMACPP", choice(LLAMACPP_BACKENDS), "auto"),
    llamacppArgs: splitArguments(argumentLine),
    llamacppBin: bin === "" ? undefined : resolve(bin),
    healthProbeMs: pick("", undefined, "LEMONADE_HEALTH_PROBE_MS", integer(0, 3_600_000), 10_000),
    isCpuFallbackOff: Boolean(env["LEMONADE_LLAMACPP_NO_FALLBACK"]),
    modelsDirs: (flags.modelsDir ?? env["LEMONADE_MODELS_DIR"]?.split(process.platform === "win32" ? ";" : ":") ?? [])
      .filter((path) => path !== "")
      .map((path) => resolve(path)),
    registryFile: pick("--registry", flags.registry, "LEMONADE_REGISTRY", existingFile, undefined),
    maxLoadedModels: pick(
      "--max-loaded-models",
      flags.maxLoadedModels,
      "LEMONADE_MAX_LOADED_MODELS",
      integer(1, 1000),
      modelsMax === undefined ? 1 : Infinity,
    ),
    modelsMax,
    idleUnloadMs: pick("--idle-unload", flags.idleUnload, "LEMONADE_IDLE_UNLOAD", idleSeconds, undefined),
    modelsPreset: presetFile === "" ? undefined : resolve(presetFile),
    isAutoloadOn: flags.modelsAutoload !== false && !isTruthy(env["LEMONADE_NO_MODELS_AUTOLOAD"]),
    allowedHosts: pick("--allowed-hosts", flags.allowedHosts, "LEMONADE_ALLOWED_HOSTS", list, []).map((name) => name.toLowerCase()),
    allowedOrigins: pick("--allowed-origins", flags.allowedOrigins, "LEMONADE_ALLOWED_ORIGINS", list, []),
    isWithoutApiKey: flags.withoutApiKey === true || isTruthy(env["LEMONADE_WITHOUT_API_KEY"]),
    webappDir: pick("--webapp-dir", flags.webappDir, "LEMONADE_WEBAPP_DIR", existingFolder, undefined),
    isCi: Boolean(env["LEMONADE_CI_MODE"]),
  };
}

/** A path that is not one would show only when a browser asks. */
const existingFolder = existing("a folder", (facts) => facts.isDirectory());
/** The same for the first question about a model. */
const existingFile = existing("a file", (facts) => facts.isFile());

function existing(what: string, isIt: (facts: Stats) => boolean): v.GenericSchema<string, string | undefined> {
  const check = (path: string): boolean => {
    const facts = statSync(path, { throwIfNoEntry: false });
    return facts !== undefined && isIt(facts);
  };
  return v.pipe(
    v.string(),
    v.check(check, `must be ${what}`),
    v.transform((path): string | undefined => resolve(path)),
  );
}

function commaList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

const UserSettings = v.object({ log_level: v.optional(v.picklist(LOG_LEVELS)) });

/** The level that `POST log-level` saved; an unreadable file means none, as in Lemonade. */
function savedLogLevel(cacheDir: string): Settings["logLevel"] | undefined {
  try {
    return v.parse(UserSettings, JSON.parse(readFileSync(join(cacheDir, "user_settings.json"), "utf8"))).log_level;
  } catch {
    return undefined;
  }
}
