/**
 * Takes the flags that llama.cpp's own tests give a `llama-server` in router mode and runs our server with what they mean. To try them,
 * in llama.cpp's `tools/server/tests`, with models in a Hugging Face cache:
 *
 *   LLAMA_SERVER_BIN_PATH=…/as-llama-server LLAMA_CACHE=CACHE pytest unit/test_router.py unit/test_stream.py
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { LEMONADE } from "../fixtures/command.ts";

const OURS: ReadonlySet<string> = new Set(["--host", "--port", "--models-dir", "--models-preset", "--models-max", "--ctx-size"]);
const OF_THE_ENGINE: ReadonlySet<string> = new Set(["--seed", "--temp", "--batch-size", "--ubatch-size", "--parallel", "--n-predict"]);

const cacheDir = await mkdtemp(join(tmpdir(), "lemonade-as-llama-server-"));
const env: Record<string, string | undefined> = {
  ...process.env,
  LEMONADE_CACHE_DIR: cacheDir,
  LEMONADE_BIN_DIR: process.env["LEMONADE_BIN_DIR"] ?? join(homedir(), ".cache", "lemonade", "bin"),
  HF_HUB_CACHE: process.env["LLAMA_CACHE"] ?? process.env["HF_HUB_CACHE"],
};
const flags = ["serve", "--llamacpp", "from-source"];
const engine = ["--threads", "1"];
const words = process.argv.slice(2);
if (!words.includes("--models-max")) flags.push("--models-max", "4"); // The default of llama.cpp.
for (let i = 0; i < words.length; i++) {
  const word = words[i] ?? "";
  if (OURS.has(word)) flags.push(word, words[++i] ?? "");
  else if (OF_THE_ENGINE.has(word)) engine.push(word, words[++i] ?? "");
  else if (word === "--no-slots" || word === "--slots") engine.push(word);
  else if (word === "--no-models-autoload") flags.push(word);
  else if (word === "--cors-origins") flags.push("--allowed-origins", words[++i] ?? "");
  else if (word === "--api-key") env["LEMONADE_API_KEY"] = words[++i];
  else if (word === "--offline") env["HF_HUB_OFFLINE"] = "1";
  else if (word !== "--jinja" && word !== "--no-jinja") {
    process.stderr.write(`${word} has no meaning for our server\n`);
    process.exit(2);
  }
}
env["LEMONADE_LLAMACPP_ARGS"] = engine.join(" ");
const server = spawn(LEMONADE, flags, { env, stdio: ["ignore", "inherit", "inherit"] });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void server.kill(signal));
server.once("exit", (code) => {
  void rm(cacheDir, { recursive: true, force: true }).then(() => process.exit(code ?? 1));
});
