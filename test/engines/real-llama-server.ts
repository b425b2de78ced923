import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describeTinyModel, type TinyOptions } from "../../src/model/tiny/index.ts";
import { pickFreePort } from "../../src/platform/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";
import { until } from "../fixtures/until.ts";
import { ENGINES_FOLDER } from "../fixtures/workspace.ts";

/** Where the engine's program is: `LEMONADE_LLAMACPP_BIN`, else where `lemonade install` puts the one it builds. */
export const LLAMA_SERVER: string =
  process.env["LEMONADE_LLAMACPP_BIN"] ||
  join(ENGINES_FOLDER, "llamacpp", "from-source", process.platform === "win32" ? "llama-server.exe" : "llama-server");

/** The engine itself on a variant of the tiny model, with no server of ours between. */
export interface RealLlamaServer extends AsyncDisposable {
  readonly modelPath: string;
  /** The parsed answer; one without success throws it. */
  post<T>(path: string, body: unknown): Promise<T>;
  /** The data of a streamed answer, piece by piece, without the closing mark. */
  stream<T>(path: string, body: unknown): Promise<T[]>;
}

export async function startLlamaServer(options: TinyOptions, flags: readonly string[] = []): Promise<RealLlamaServer> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const modelPath = join(folder.path, "tiny.gguf");
  await writeTinyModel(modelPath, options);
  const port = await pickFreePort();
  // One thread: on a busy machine several wait for each other longer than they compute so small a model.
  const fixed = ["--model", modelPath, "--host", "127.0.0.1", "--port", `${port}`, "--threads", "1"];
  const server = Bun.spawn([LLAMA_SERVER, ...fixed, ...flags], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const log = new Response(server.stderr).text();
  stack.defer(async () => {
    server.kill();
    await server.exited;
  });
  const url = `http://127.0.0.1:${port}`;
  await until("the engine answers", async () => {
    if (server.exitCode !== null) throw new Error(`llama-server exited with code ${server.exitCode}:\n${await log}`);
    return await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const request = async (path: string, body: unknown): Promise<string> => {
    // The engine closes idle connections, and every one after a hundred requests: no request may meet a dying one.
    const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body), keepalive: false });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text;
  };
  const owned = stack.move();
  return {
    modelPath,
    post: async <T>(path: string, body: unknown) => JSON.parse(await request(path, body)) as T,
    async stream<T>(path: string, body: object) {
      const lines = (await request(path, { ...body, stream: true })).split("\n").filter((line) => line.startsWith("data: "));
      if (lines.pop() !== "data: [DONE]") throw new Error("The stream was cut");
      return lines.map((line) => JSON.parse(line.slice("data: ".length)) as T);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Writes what is not zero, so that a padded model takes hardly any disk. */
async function writeTinyModel(path: string, options: TinyOptions): Promise<void> {
  const { parts, totalBytes } = describeTinyModel(options);
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, "w");
  await file.truncate(totalBytes);
  for (const { offsetBytes, bytes } of parts) await file.write(bytes, 0, bytes.length, offsetBytes);
}
