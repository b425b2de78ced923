import { expect, test } from "bun:test";
import { errorMessage } from "../../errors.ts";
import { runCommand } from "./run-command.ts";
import { tieToParent } from "./tie-to-parent.ts";

const isWindows = process.platform === "win32";
const runScript = (script: string, options: Parameters<typeof runCommand>[2] = {}) => runCommand(process.execPath, ["-e", script], options);

test("lines of both streams and the exit code come back", async () => {
  const seen: string[] = [];
  const script = `console.log("out"); console.log(""); console.error("err"); process.exitCode = 3`;
  const result = await runScript(script, { onLine: (line) => seen.push(line) });
  expect(result.exitCode).toBe(3);
  expect(result.lines.toSorted()).toEqual(["err", "out"]);
  expect(seen).toHaveLength(2);
});

test("a program that does not exist is a result, not an exception", async () => {
  const result = await runCommand("no-such-program-anywhere", []);
  expect(result.exitCode).toBeUndefined();
  expect(result.failure).toBeDefined();
});

test("only the last lines are kept", async () => {
  const { lines } = await runScript(`for (let i = 0; i < 5000; i++) console.log(i)`);
  expect(lines).toHaveLength(1000);
  expect(lines.at(-1)).toBe("4999");
});

test("a program that takes too long is ended and says so", async () => {
  const result = await runScript(`setInterval(() => {}, 1000)`, { timeoutMs: 300 });
  expect(result.failure).toBe("no end after 300 ms");
});

test("an abort rejects with its reason once the program has gone", async () => {
  const controller = new AbortController();
  let pid = 0;
  const onLine = (line: string): void => {
    pid = Number(line);
    controller.abort(new Error("stop it"));
  };
  const running = runScript(`console.log(process.pid); setInterval(() => {}, 1000)`, { onLine, signal: controller.signal });
  expect(await running.catch(errorMessage)).toContain("stop it");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test.skipIf(isWindows)("a tied command passes its exit code and its arguments on", async () => {
  const { command, args } = tieToParent("sh", ["-c", 'echo "$1"; exit 7', "sh", "two words"]);
  const result = await runCommand(command, args);
  expect(result).toEqual({ exitCode: 7, lines: ["two words"] });
});

test.skipIf(isWindows)("a tied command may clean up after TERM before it ends", async () => {
  const controller = new AbortController();
  const lines: string[] = [];
  const onLine = (line: string): void => {
    lines.push(line);
    controller.abort(new Error("stop it"));
  };
  // The trap of a shell runs between commands, so it sleeps in small pieces.
  const script = 'trap "sleep 0.1; echo cleaned; exit 0" TERM; echo ready; while :; do sleep 0.05; done';
  const { command, args } = tieToParent("sh", ["-c", script]);
  expect(await runCommand(command, args, { onLine, signal: controller.signal }).catch(errorMessage)).toContain("stop it");
  expect(lines[0]).toBe("ready");
  expect(lines).toContain("cleaned");
});

test.skipIf(isWindows)("a tied command ends when its parent is killed", async () => {
  const source = `
    const { runCommand } = await import(${JSON.stringify(new URL("run-command.ts", import.meta.url).href)});
    const { tieToParent } = await import(${JSON.stringify(new URL("tie-to-parent.ts", import.meta.url).href)});
    const { command, args } = tieToParent("sleep", ["300"]);
    void runCommand(command, args);
    const { execFileSync } = require("node:child_process");
    const timer = setInterval(() => {
      const found = execFileSync("ps", ["-eo", "pid=,ppid=,args="]).toString().split("\\n").map((line) => line.trim().split(/\\s+/))
      const shell = found.find((fields) => fields[1] === String(process.pid) && fields[2] === "/bin/sh");
      const sleeper = found.find((fields) => shell !== undefined && fields[1] === shell[0] && fields[2] === "sleep");
      if (sleeper === undefined) return;
      clearInterval(timer);
      console.log(sleeper[0]);
    }, 20);`;
  const parent = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "inherit" });
  const reader = parent.stdout.getReader();
  const sleeperPid = Number(new TextDecoder().decode((await reader.read()).value));
  expect(sleeperPid).toBeGreaterThan(0);
  parent.kill("SIGKILL");
  await parent.exited;
  while (isAlive(sleeperPid)) await new Promise((resolve) => setTimeout(resolve, 10));
});

function isAlive(pid: number): boolean {
  const { stdout } = Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)]);
  const state = stdout.toString().trim();
  return state !== "" && !state.startsWith("Z");
}
