/**
 * Writes down the options of a llama-server, for preset files on machines where none is installed:
 * `bin/bun scripts/update-llama-options.ts PATH/TO/llama-server`.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseOptionsHelp, type LlamaOption } from "../src/model/presets/index.ts";

const [executable] = process.argv.slice(2);
if (executable === undefined) throw new Error("Name a llama-server");
const run = promisify(execFile);
const { stdout: help } = await run(executable, ["--help"], { maxBuffer: 8 * 2 ** 20 });
const version = /version: .*/.exec((await run(executable, ["--version"])).stderr)?.[0] ?? "unknown";
const lines = parseOptionsHelp(help).map(lineOf);
const path = join(import.meta.dir, "..", "src", "model", "presets", "known-options.ts");
await writeFile(
  path,
  `/** The options of llama-server (${version}), in the form of its help text; written by scripts/update-llama-options.ts. */
export const KNOWN_OPTIONS = \`
${lines.join("\n")}
\`;
`,
);
console.log(`${lines.length} options written to ${path}`);

/** As the help text spells it, less the explanation. */
function lineOf({ flags, negations, values, env }: LlamaOption): string {
  const spelled = [...flags, ...negations].join(", ");
  return `${spelled}${["", " VALUE", " FIRST SECOND"][values]}${env === undefined ? "" : `  (env: ${env})`}`;
}
