import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { inEnvironment, pythonEnvironmentWith } from "../fixtures/index.ts";
import type { Call, Result, Target } from "./result.ts";

const OPENAI_VERSION = "3.54.0";

/** Installs the client where it is not yet; may take minutes. */
export async function preparePython(): Promise<string> {
  return inEnvironment(await pythonEnvironmentWith("openai", OPENAI_VERSION), "python");
}

export async function runPython(target: Target, calls: readonly Call[]): Promise<readonly Result[]> {
  const child = spawn(await preparePython(), ["-W", "ignore", join(import.meta.dirname, "run_python.py")], { stdio: "pipe" });
  child.stdin.end(JSON.stringify({ ...target, calls }));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as readonly Result[];
}
