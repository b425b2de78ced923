// Runs Bun with the given arguments from Node, on any system: `node scripts/bun.mjs test src`.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const platform = { win32: "windows" }[process.platform] ?? process.platform;
const arch = { arm64: "aarch64" }[process.arch] ?? process.arch;
const executable = platform === "windows" ? "bun.exe" : "bun";
// The musl build is named apart, and either may be the one that npm chose.
const found = [`bun-${platform}-${arch}`, `bun-${platform}-${arch}-musl`]
  .map((name) => fileURLToPath(new URL(`../node_modules/@oven/${name}/bin/${executable}`, import.meta.url)))
  .find((path) => existsSync(path));
if (found === undefined) {
  console.error("Bun is missing; run `npm ci` first (with optional packages: they carry Bun)");
  process.exit(1);
}
const { status, signal } = spawnSync(found, process.argv.slice(2), { stdio: "inherit" });
if (signal) process.kill(process.pid, signal);
process.exit(status ?? 1);
