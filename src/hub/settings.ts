import { RouterError } from "../errors.ts";
import { hubFolders, isTruthy } from "../platform/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the hub is, who asks, and where files go. */
export interface HubSettings {
  /** Base of every address, without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  /** Read before each request when `token` is undefined, so that a login takes effect at once. Undefined: send no stored token. */
  readonly tokenFile: string | undefined;
  /** The folder that holds `models--org--repo`. */
  readonly cacheDir: string;
  /** No request is made; what is not in the cache does not exist. */
  readonly isOffline: boolean;
  /** False where snapshots must hold the files themselves. */
  readonly mayLink: boolean;
  /** How long the hub may take to answer a question, in milliseconds. */
  readonly metadataTimeoutMs: number;
  /** How long a download may stand still before its connection is given up, in milliseconds. */
  readonly downloadTimeoutMs: number;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";
/** huggingface_hub waits 10 s for both; a home connection that other devices fill can stand still for longer. */
const METADATA_TIMEOUT_MS = 10_000;
const DOWNLOAD_TIMEOUT_MS = 30_000;

/**
 * Reads the variables that `huggingface_hub` reads, with its precedence, and `LEMONADE_OFFLINE`. An empty variable counts as unset.
 * @throws {@link RouterError} `CONFIG_INVALID` for an HF_ENDPOINT that is no address.
 */
export function hubSettingsFromEnvironment(env: Environment): HubSettings {
  const { cacheDir, tokenFile } = hubFolders(env);
  return {
    endpoint: endpointFrom(env["HF_ENDPOINT"] || DEFAULT_ENDPOINT),
    token: cleanToken(env["HF_TOKEN"] || env["HUGGING_FACE_HUB_TOKEN"]),
    tokenFile: isTruthy(env["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) ? undefined : tokenFile,
    cacheDir,
    isOffline: ["LEMONADE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].some((name) => isTruthy(env[name])),
    mayLink: !isTruthy(env["HF_HUB_DISABLE_SYMLINKS"]),
    metadataTimeoutMs: seconds(env["HF_HUB_ETAG_TIMEOUT"]) ?? METADATA_TIMEOUT_MS,
    downloadTimeoutMs: seconds(env["HF_HUB_DOWNLOAD_TIMEOUT"]) ?? DOWNLOAD_TIMEOUT_MS,
  };
}

function endpointFrom(address: string): string {
  if (/^https?:/i.test(address) && URL.canParse(address)) return address.replace(/\/+$/, "");
  throw new RouterError("CONFIG_INVALID", `HF_ENDPOINT must be the address of a hub, but is ${JSON.stringify(address)}`, {
    hint: "It begins with https://, for example https://huggingface.co.",
  });
}

/** Trims a token and drops line breaks inside it; an empty one is none. */
export function cleanToken(token: string | undefined): string | undefined {
  return token?.replace(/[\r\n]/g, "").trim() || undefined;
}

function seconds(value: string | undefined): number | undefined {
  const number = Number(value);
  return value && number > 0 ? number * 1000 : undefined;
}
