import { VERSION } from "./version.ts";

// Commands and libraries are loaded when they are used: `--version` answers before anything else is read.
const words = process.argv.slice(2);
if (words[0] === "--version" || words[0] === "-v") console.log(VERSION);
else process.exitCode = await (await import("./program.ts")).runProgram(words);

// Sockets of the keep-alive pool would hold the process for seconds after its work is done.
process.exit();
