/**
 * Makes the release artefacts: `dist/lemonade`, one executable with everything inside, and `dist/lib`, the library as ES modules with
 * declarations. `--smoke-test` then uses both as a stranger would, for bundlers drop code.
 */
import { chmod, mkdtemp, rm, symlink, mkdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { findNode } from "./find-node.ts";

const root = join(import.meta.dir, "..");
const executable = join(root, "dist", process.platform === "win32" ? "lemonade.exe" : "lemonade");

await rm(join(root, "dist"), { recursive: true, force: true });
// Bytecode: the program starts in half the time, for some megabytes more on disk.
await run([process.execPath, "build", "--compile", "--bytecode", "--minify", "src/cli/main.ts", `--outfile=${executable}`]);
await chmod(executable, 0o755);
await run([join(root, "node_modules", ".bin", "tsc"), "-p", "tsconfig.build.json"]);
console.log(`built ${executable} (${Math.round(Bun.file(executable).size / 1e6)} MB) and dist/lib`);
if (process.argv.includes("--smoke-test")) await smokeTest();

/** The executable answers with a model from a fresh cache; the library is imported and used under Node. */
async function smokeTest(): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), "lemonade-build-"));
  // The compiled program runs where no checkout and no node_modules are near.
  const env = { ...process.env, LEMONADE_CACHE_DIR: cacheDir, LEMONADE_BIN_DIR: join(cacheDir, "bin"), LEMONADE_LLAMACPP: "embedded" };
  try {
    const engines = process.env["LEMONADE_BIN_DIR"] ?? join(homedir(), ".cache", "lemonade", "bin");
    await mkdir(env.LEMONADE_BIN_DIR);
    await symlink(join(engines, "embedded"), join(env.LEMONADE_BIN_DIR, "embedded"));
    await expectOutput([executable, "--version"], /^\d+\.\d+\.\d+$/, { cwd: cacheDir, env });
    await expectOutput([executable, "run", "tiny", "--prompt", "Hello", "--port", "0"], /^Hello! I am tiny/, { cwd: cacheDir, env });
    await expectPage(cacheDir);
    await expectOutput([executable, "stop"], /stopped successfully/, { cwd: cacheDir, env });
    const clientProgram = `import { LemonadeClient, LemonadeApiError } from ${JSON.stringify(join(root, "dist", "lib", "client", "index.js"))};
      const client = new LemonadeClient({ url: "http://127.0.0.1:9" });
      await client.health().catch((error) => console.log(error instanceof LemonadeApiError, error.status));`;
    await expectOutput([await findNode(), "--input-type=module", "--eval", clientProgram], /^true 0/, { cwd: root, env });
    const program = `import { buildTinyModel, ERRORS, TINY_SENTENCE } from ${JSON.stringify(join(root, "dist", "lib", "index.js"))};
      console.log(process.version, buildTinyModel().length, ERRORS.MODEL_NOT_FOUND.status, TINY_SENTENCE);`;
    await expectOutput([await findNode(), "--input-type=module", "--eval", program], /^v(2[2-9]|[3-9]\d)\.\S+ \d+ 404 Hello/, {
      cwd: root,
      env,
    });
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}

/** The web page is inside the executable, too. */
async function expectPage(cacheDir: string): Promise<void> {
  const { port } = (await Bun.file(join(cacheDir, "run", "server.json")).json()) as { port: number };
  for (const [path, content] of [
    ["/", "<h1>Lemonade</h1>"],
    ["/static/page.js", "chat/completions"],
    ["/static/style.css", "body {"],
    // Made by modules that are loaded when they are asked for.
    ["/openapi.json", '"openapi":"3.1'],
    ["/docs", "<h2>Inference</h2>"],
  ] as const) {
    const answer = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    if (!answer.includes(content)) throw new Error(`${path} of the server is ${JSON.stringify(answer.slice(0, 500))}`);
  }
  console.log("ok: the web page and the description");
}

async function run(words: readonly string[]): Promise<void> {
  const exitCode = await Bun.spawn([...words], { cwd: root, stdio: ["ignore", "inherit", "inherit"] }).exited;
  if (exitCode !== 0) throw new Error(`${words.join(" ")} ended with exit code ${exitCode}`);
}

async function expectOutput(
  words: readonly string[],
  pattern: RegExp,
  options: { cwd: string; env: Record<string, string | undefined> },
): Promise<void> {
  const child = Bun.spawn([...words], { ...options, stdio: ["ignore", "pipe", "inherit"] });
  const output = (await new Response(child.stdout).text()).trim();
  if ((await child.exited) !== 0 || !pattern.test(output)) throw new Error(`${words.slice(0, 3).join(" ")} said ${JSON.stringify(output)}`);
  console.log(`ok: ${words.slice(0, 3).join(" ")}`);
}
