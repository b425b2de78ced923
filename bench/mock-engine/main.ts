/**
 * A program that passes for llama-server: takes its arguments, says `--version` and `--help`, reports its state as a child of llama.cpp's
 * router mode does, ends when its standard input closes. It answers at once, so that what is measured is whoever stands before it.
 */
import { parseArgs } from "node:util";
import { serveMock } from "./serve-mock.ts";

/** Those that lemonade may give it. */
const FLAGS = [
  "-m, --model FNAME",
  "--ctx-size N",
  "--host HOST",
  "--port PORT",
  "--alias STRING",
  "--seed SEED",
  "--jinja",
  "--keep N",
  "--reasoning-format FORMAT",
  "--embeddings",
  "--batch-size N",
  "--ubatch-size N",
  "--no-ui",
  "-ngl, --gpu-layers N",
  // Builds with a router mode end with their standard input, as this one does.
  "--models-max N",
];

const words = process.argv.slice(2);
if (words.includes("--version")) console.log("version: 0.5.0-dev (build 1, commit mock)");
else if (words.includes("--help")) console.log(FLAGS.map((flag) => flag.padEnd(40) + "see llama-server").join("\n"));
else {
  const { values } = parseArgs({
    args: words,
    strict: false,
    options: { host: { type: "string" }, port: { type: "string" }, alias: { type: "string" } },
  });
  const mock = serveMock({ hostname: String(values.host), port: Number(values.port), model: String(values.alias) });
  mock.noteReady();
  console.log('cmd_child_to_router:state:{"state":"ready"}');
  for await (const line of console) if (line === "cmd_router_to_child:exit") break;
  process.exit();
}
