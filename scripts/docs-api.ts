/**
 * Writes the API reference into `dist/api` from the comments in the sources; a warning is an error. The generator has a package of its
 * own in `docs/api`, which is installed when it is missing or old.
 */
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const folder = join(root, "docs", "api");
const typedoc = join(folder, "node_modules", "typedoc");

const wanted = (await Bun.file(join(folder, "package.json")).json()) as { devDependencies: Record<string, string> };
const installed = (await Bun.file(join(typedoc, "package.json"))
  .json()
  .catch(() => ({}))) as { version?: string };
if (installed.version !== wanted.devDependencies["typedoc"])
  await run([process.platform === "win32" ? "npm.cmd" : "npm", "ci", "--ignore-scripts", "--prefix", folder]);
// The whole package for readers, then without output the part whose every name must be documented and exported.
for (const options of ["typedoc.json", "llama-server.json"]) {
  await run(["node", join(typedoc, "bin", "typedoc"), "--options", join(folder, options)]);
}

async function run(words: readonly string[]): Promise<void> {
  const exitCode = await Bun.spawn([...words], { cwd: root, stdio: ["ignore", "inherit", "inherit"] }).exited;
  if (exitCode !== 0) process.exit(exitCode);
}
