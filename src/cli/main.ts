import { VERSION } from "./version.ts";

// Commands and libraries are loaded when they are used: `--version` answers before anything else is read.
async function main(words: readonly string[]): Promise<void> {
  const [first = "", ...rest] = words;
  if (first === "--version" || first === "-v") console.log(VERSION);
  else if (first === "embedded-worker") await (await import("../router/embedded-worker.ts")).runWorker(rest);
  else {
    const exitCode = await (await import("./program.ts")).runProgram(words);
    // Sockets of the keep-alive pool would hold the process for seconds after its work is done.
    process.exit(exitCode);
  }
}

// No `await` at the top: Bun cannot compile such a module to bytecode.
void main(process.argv.slice(2));
