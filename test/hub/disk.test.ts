import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

/** A mount of our own needs a Linux that lets us have a user and mount namespace. */
const canMount = process.platform === "linux" && spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

const SCRIPT = `
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Downloader } from ${JSON.stringify(join(import.meta.dir, "../../src/hub/download-file.ts"))};
import { HubClient } from ${JSON.stringify(join(import.meta.dir, "../../src/hub/hub-client.ts"))};
import { hubSettingsFromEnvironment } from ${JSON.stringify(join(import.meta.dir, "../../src/hub/settings.ts"))};
const settings = hubSettingsFromEnvironment(process.env);
const client = new HubClient(settings);
const freeBytesOf = process.env.IGNORE_SPACE ? async () => Infinity : undefined;
const { commit } = await client.repoInfo("org/big");
const error = await new Downloader({ client, freeBytesOf }).downloadFile({ repo: "org/big", commit, path: "big.gguf" }).catch((error) => error);
const blobs = join(settings.cacheDir, "models--org--big", "blobs");
let kept = [];
try { kept = readdirSync(blobs).map((name) => [name.endsWith(".incomplete"), statSync(join(blobs, name)).size]); } catch {}
console.log(JSON.stringify({ code: error.code, message: error.message, kept }));`;

/** Runs the download with a small or read-only disk mounted over the cache folder. */
async function onDisk(mount: string, cacheDir: string, hub: Hub, env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const child = spawn("unshare", ["-rm", "sh", "-c", `${mount} && exec "$0" -e "$1"`, process.execPath, SCRIPT], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cacheDir, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1", ...env },
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return JSON.parse(output) as Record<string, unknown>;
}

describe.skipIf(!canMount)("a disk", () => {
  test("that is too small is refused before the first byte", async () => {
    await using hub = await Hub.start();
    await using folder = await temporaryFolder();
    hub.add("org/big", { files: { "big.gguf": patternBytes(8_000_000) } });
    const result = await onDisk(`mount -t tmpfs -o size=3m tmpfs ${folder.path}`, folder.path, hub);
    expect([result["code"], result["kept"]]).toEqual(["DISK_FULL", []]);
    expect(hub.requestsTo("cdn")).toEqual([]);
  }, 20_000);

  test("that fills up meanwhile keeps what it could take, and says so", async () => {
    await using hub = await Hub.start();
    await using folder = await temporaryFolder();
    hub.add("org/big", { files: { "big.gguf": patternBytes(8_000_000) } });
    const result = await onDisk(`mount -t tmpfs -o size=3m tmpfs ${folder.path}`, folder.path, hub, { IGNORE_SPACE: "1" });
    expect(result["code"]).toBe("DISK_FULL");
    expect(String(result["message"])).toContain("There is no space left for");
    const [[isPartial, size] = [false, 0]] = result["kept"] as [boolean, number][];
    expect([isPartial, size > 1_000_000]).toEqual([true, true]);
  }, 20_000);

  test("that is read-only is named, with what to do", async () => {
    await using hub = await Hub.start();
    await using folder = await temporaryFolder();
    hub.add("org/big", { files: { "big.gguf": patternBytes(8_000) } });
    const result = await onDisk(`mount -t tmpfs -o ro tmpfs ${folder.path}`, folder.path, hub);
    expect([result["code"], String(result["message"]).endsWith("cannot be written (EROFS)")]).toEqual(["CACHE_NOT_WRITABLE", true]);
  }, 20_000);
});
