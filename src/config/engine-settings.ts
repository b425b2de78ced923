import { resolve } from "node:path";
import { RouterError } from "../errors.ts";
import { isTruthy } from "../platform/index.ts";

/** Where engines come from and what they may use. Environment only: none of it changes from one start to the next. */
export interface EngineSettings {
  /** A server with GitHub's addresses that releases are fetched from. */
  readonly releasesUrl: string | undefined;
  /** Raises the limit of GitHub's API. */
  readonly githubToken: string | undefined;
  /** The user's own llama-server per variant; nothing is installed for these while the file is there. */
  readonly ownLlamaCpp: Readonly<Record<string, string>>;
  /** Nothing is fetched. */
  readonly isOffline: boolean;
  /** Every model is listed, whether or not this machine runs it. */
  readonly isModelFilterOff: boolean;
  /** An NPU is taken to be there. */
  readonly isNpuAssumed: boolean;
}

const OWN_EXECUTABLE = /^LEMONADE_LLAMACPP_(VULKAN|ROCM|METAL|CPU|CUDA)_BIN$/;

/** @throws {@link RouterError} `CONFIG_INVALID` naming the variable. */
export function engineSettingsFrom(env: Readonly<Record<string, string | undefined>>): EngineSettings {
  return {
    releasesUrl: addressOf("LEMONADE_RELEASES_URL", env["LEMONADE_RELEASES_URL"]),
    githubToken: env["GITHUB_TOKEN"]?.trim() || undefined,
    ownLlamaCpp: Object.fromEntries(
      Object.entries(env).flatMap(([name, path]) => {
        const variant = OWN_EXECUTABLE.exec(name)?.[1]?.toLowerCase();
        return variant === undefined || !path ? [] : [[variant, resolve(path)]];
      }),
    ),
    isOffline: ["LEMONADE_OFFLINE", "HF_HUB_OFFLINE"].some((name) => isTruthy(env[name])),
    isModelFilterOff: isTruthy(env["LEMONADE_DISABLE_MODEL_FILTERING"]),
    isNpuAssumed: isTruthy(env["RYZENAI_SKIP_PROCESSOR_CHECK"]),
  };
}

function addressOf(variable: string, text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:" || url?.protocol === "http:") return text;
  throw new RouterError("CONFIG_INVALID", `${variable} must be an address that begins with https:// or http://, but is "${text}"`);
}
