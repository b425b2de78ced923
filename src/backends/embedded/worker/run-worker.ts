/**
 * The embedded engine: llama.cpp inside this process, behind the part of llama-server's HTTP interface that the router uses. It is
 * started with llama-server's arguments and speaks the protocol of llama.cpp's router mode on its standard streams.
 */
import { ApiError } from "./api-error.ts";
import { parseWorkerArguments, type WorkerArguments } from "./arguments.ts";
import { modelEntry } from "./describe-model.ts";
import { loadModel, type LoadedModel } from "./loaded-model.ts";
import { answerRequest, errorResponse } from "./routes.ts";

const STAGE = "text_model";
/** llama-server's limit. */
const MAX_BODY_BYTES = 100 * 1024 * 1024;

type WorkerServer = Bun.Server<undefined>;

/** What an orderly end has to close. */
interface Running {
  loaded?: LoadedModel;
  server?: WorkerServer;
}

async function serve(words: readonly string[]): Promise<void> {
  const running: Running = {};
  // Before anything that takes time: a worker whose parent has died must not go on loading.
  listenToParent(running);
  const args = parseWorkerArguments(words);
  const server = listen(args, () => running.loaded);
  running.server = server;
  announce("loading", progress(0));
  const loaded = await loadModel(args, { log, onProgress: throttled((fraction) => announce("loading", progress(fraction))) });
  running.loaded = loaded;
  announce("ready", modelEntry(loaded));
  log(`server is listening on http://${args.host}:${server.port}`);
}

function listen({ host, port }: WorkerArguments, loaded: () => LoadedModel | undefined): WorkerServer {
  try {
    return Bun.serve({
      hostname: host,
      port,
      idleTimeout: 0, // A request may wait for its slot for minutes.
      maxRequestBodySize: MAX_BODY_BYTES,
      fetch: (request) => {
        const model = loaded();
        return model === undefined ? errorResponse(new ApiError("unavailable_error", "Loading model")) : answerRequest(model, request);
      },
      error: (error) => errorResponse(error),
    });
  } catch (error) {
    throw new Error(`couldn't bind HTTP server socket, hostname: ${host}, port: ${port}`, { cause: error });
  }
}

/** `cmd_router_to_child:exit` asks for an orderly end; the end of the stream means that the parent is gone. */
function listenToParent(running: Running): void {
  let text = "";
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (chunk: string) => {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    if (lines.some((line) => line.trim() === "cmd_router_to_child:exit")) void exit(running);
  });
  const onEnd = (): void => {
    process.stderr.write("EOF on stdin detected, forcing shutdown...\n");
    process.reallyExit(1);
  };
  process.stdin.on("end", onEnd);
  process.stdin.on("error", onEnd);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void exit(running));
}

/** The longest that one step of a computation and the last bytes of the answers are waited for. */
const EXIT_AFTER_MS = 3000;

async function exit({ loaded, server }: Running): Promise<void> {
  const timer = setTimeout(() => process.reallyExit(0), EXIT_AFTER_MS);
  // Leaving in the middle of a step would tear down memory under the threads that compute it.
  await loaded?.close();
  await server?.stop();
  clearTimeout(timer);
  process.reallyExit(0);
}

function announce(state: string, payload: unknown): void {
  process.stdout.write(`cmd_child_to_router:state:${JSON.stringify({ state, payload })}\n`);
}

const progress = (value: number): unknown => ({ stages: [STAGE], current: STAGE, value });

/** Passes on what differs by a hundredth, so that a large model gives a hundred lines and not thousands. */
function throttled(report: (fraction: number) => void): (fraction: number) => void {
  let last = 0;
  return (fraction) => {
    if (fraction - last < 0.01 && fraction < 1) return;
    if (fraction === last) return;
    last = fraction;
    report(fraction);
  };
}

/** Standard output belongs to the protocol. */
function log(text: string): void {
  process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Runs the worker with llama-server's arguments; it ends by its own means. */
export async function runWorker(words: readonly string[]): Promise<void> {
  try {
    await serve(words);
  } catch (error) {
    // llama.cpp's own lines, which say why, come through a queue.
    await new Promise((resolve) => setTimeout(resolve, 20));
    log(error instanceof Error ? error.message : String(error));
    process.reallyExit(1);
  }
}
