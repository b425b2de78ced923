import { homedir } from "node:os";
import { join, resolve } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where `huggingface_hub` keeps things, by its own variables and their precedence; an empty variable counts as unset. */
export interface HubFolders {
  /** Settings and the stored token. */
  readonly homeDir: string;
  /** The cache that other tools share: it holds `models--org--repo`. */
  readonly cacheDir: string;
  readonly tokenFile: string;
}

export function hubFolders(env: Environment): HubFolders {
  const home = homeFolder(env);
  const path = (name: string): string | undefined => (env[name] ? expand(env[name], env, home) : undefined);
  const homeDir = path("HF_HOME") ?? join(path("XDG_CACHE_HOME") ?? join(home, ".cache"), "huggingface");
  return {
    homeDir: resolve(homeDir),
    cacheDir: resolve(path("HF_HUB_CACHE") ?? path("HUGGINGFACE_HUB_CACHE") ?? join(homeDir, "hub")),
    tokenFile: resolve(path("HF_TOKEN_PATH") ?? join(homeDir, "token")),
  };
}

/** The user's own folder. */
export function homeFolder(env: Environment): string {
  return env["HOME"] || env["USERPROFILE"] || homedir();
}

/** `~`, `$NAME` and `${NAME}` as Python's `expanduser` and `expandvars` read them: unknown names stay as they are. */
function expand(path: string, env: Environment, home: string): string {
  return path
    .replace(/^~(?=$|[/\\])/, home)
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => env[braced ?? bare ?? ""] ?? whole);
}
