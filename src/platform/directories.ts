import { join, resolve } from "node:path";
import { homeFolder, hubFolders } from "./hub-folders.ts";

export interface Directories {
  /** `user_models.json`, `user_settings.json`, the built-in model. */
  readonly cacheDir: string;
  /** Installed engines, one folder per backend and variant. */
  readonly binDir: string;
  /** The running server and its children: pid files and the log of a server in the background. */
  readonly runDir: string;
  /** The Hugging Face cache that other tools share. */
  readonly hubCacheDir: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where everything lies on disk; an empty variable counts as unset. */
export function directoriesFrom(env: Environment): Directories {
  const cacheDir = resolve(env["LEMONADE_CACHE_DIR"] || join(homeFolder(env), ".cache", "lemonade"));
  return {
    cacheDir,
    binDir: resolve(env["LEMONADE_BIN_DIR"] || join(cacheDir, "bin")),
    runDir: join(cacheDir, "run"),
    hubCacheDir: hubFolders(env).cacheDir,
  };
}
