import { runWorker } from "./run-worker.ts";

await runWorker(process.argv.slice(2));
