import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface PortHolder {
  readonly pid: number;
  readonly name: string;
}

/** Which program listens on a TCP port of this machine, as far as the system tells us; for messages only. */
export async function findPortHolder(port: number): Promise<PortHolder | undefined> {
  try {
    if (process.platform === "linux") return await findOnLinux(port);
    if (process.platform === "win32") {
      const query = `$p=(Get-NetTCPConnection -State Listen -LocalPort ${port})[0].OwningProcess; "$p $((Get-Process -Id $p).ProcessName)"`;
      return parsePidAndName((await run("powershell.exe", ["-NoProfile", "-Command", query])).stdout);
    }
    const { stdout } = await run("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"]);
    return parsePidAndName(stdout.replace(/^p(\d+)\s+c(.*)$/ms, "$1 $2").split("\n", 1)[0] ?? "");
  } catch {
    return undefined; // Not permitted or the tool is missing: the message goes without the name.
  }
}

function parsePidAndName(text: string): PortHolder | undefined {
  const match = /^(\d+) (.+)$/m.exec(text.trim());
  return match?.[1] === undefined || match[2] === undefined ? undefined : { pid: Number(match[1]), name: match[2] };
}

/** proc(5): /proc/net/tcp lists listeners with their socket inode; the owner has that inode among its open files. */
async function findOnLinux(port: number): Promise<PortHolder | undefined> {
  const tables = await Promise.all(["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "utf8").catch(() => "")));
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const LISTEN = "0A";
  const inodes = tables
    .flatMap((table) => table.split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === LISTEN)
    .map((fields) => `socket:[${fields[9]}]`);
  if (inodes.length === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const file of files) {
      const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => "");
      if (!inodes.includes(target)) continue;
      const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0").join(" ").trim();
      return { pid: Number(pid), name: commandLine.slice(0, 100) };
    }
  }
  return undefined;
}
