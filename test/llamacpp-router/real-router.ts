import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pickFreePort } from "../../src/platform/index.ts";
import { ENGINES_FOLDER, until, type Workspace } from "../fixtures/index.ts";
import { RouterClient } from "./router-client.ts";

export const LLAMA_SERVER = join(
  ENGINES_FOLDER,
  "llamacpp",
  "from-source",
  process.platform === "win32" ? "llama-server.exe" : "llama-server",
);

export interface RealRouter extends AsyncDisposable {
  readonly client: RouterClient;
}

/** The real llama-server in router mode, with caches of its own. Disposing it ends it and its children. */
export async function startRealRouter(workspace: Workspace, flags: readonly string[]): Promise<RealRouter> {
  const port = await pickFreePort();
  const config = join(workspace.folder, "no-user-config");
  await mkdir(config, { recursive: true });
  const words = ["--host", "127.0.0.1", "--port", `${port}`, "--offline", "--threads", "1", ...flags];
  const server = Bun.spawn([LLAMA_SERVER, ...words], {
    env: { ...workspace.env, XDG_CONFIG_HOME: config, LLAMA_CACHE: join(workspace.folder, "llama-cache") },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = new Response(server.stderr).text();
  const client = new RouterClient(`http://127.0.0.1:${port}`);
  await until("the real router answers", async () => {
    if (server.exitCode !== null) throw new Error(`llama-server exited with code ${server.exitCode}:\n${await log}`);
    return await client.fetch("/health").then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    client,
    async [Symbol.asyncDispose]() {
      server.kill();
      await server.exited;
    },
  };
}

export interface GatedEngine {
  /** What makes a server use it. */
  readonly flags: readonly string[];
  /** From now on starts go on. */
  open(): Promise<void>;
}

/** The real llama-server, which does not begin to load before its gate is open: the time in which a model loads can be used. */
export async function makeGatedEngine(workspace: Workspace): Promise<GatedEngine> {
  const folder = join(workspace.folder, "gated-engine");
  const [program, gate] = [join(folder, "llama-server"), join(folder, "gate")];
  await mkdir(folder, { recursive: true });
  const script = `#!/bin/sh
case "$1" in --help | --version) exec '${LLAMA_SERVER}' "$@" ;; esac
until [ -e '${gate}' ]; do sleep 0.01; done
exec '${LLAMA_SERVER}' "$@"
`;
  await writeFile(program, script, { mode: 0o755 });
  return {
    flags: ["--llamacpp-bin", program, "--llamacpp-args", "--threads 1"],
    open: async () => await writeFile(gate, ""),
  };
}
