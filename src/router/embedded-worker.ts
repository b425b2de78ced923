// The worker of the embedded engine as a command of the compiled executable, which has no script to start beside it. Apart from this
// folder's index, so that a worker loads nothing of the server.
export { runWorker } from "../backends/embedded/worker/run-worker.ts";
