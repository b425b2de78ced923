import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

const WANTED_MAJOR = 22;
/** The platform package behind npm's `node`: a plain executable, no install script. */
const NODE_VERSION = "22.23.3";

/** A Node that is new enough for the library: the one on PATH, else a copy from npm beside the engines. */
export async function findNode(): Promise<string> {
  const onPath = Bun.which("node");
  if (onPath !== null && (await majorOf(onPath)) >= WANTED_MAJOR) return onPath;
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "lemonade-tests", `node-${NODE_VERSION}`);
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const node = join(folder, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
  if (!(await Bun.file(node).exists())) {
    await mkdir(folder, { recursive: true });
    const words = ["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-save", `${name}@${NODE_VERSION}`];
    const exitCode = await Bun.spawn(words, { stdio: ["ignore", "ignore", "inherit"] }).exited;
    if (exitCode !== 0) throw new Error(`${words.join(" ")} ended with exit code ${exitCode}`);
  }
  return node;
}

async function majorOf(node: string): Promise<number> {
  const version = await new Response(Bun.spawn([node, "--version"], { stdio: ["ignore", "pipe", "inherit"] }).stdout).text();
  return Number(/^v(\d+)/.exec(version)?.[1] ?? 0);
}
