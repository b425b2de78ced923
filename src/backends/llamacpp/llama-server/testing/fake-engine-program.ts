/** The program behind `makeFakeEngine`: takes the path of its behaviour and then the arguments of llama-server. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { FakeEngineBehaviour } from "./fake-engine-behaviour.ts";

const [behaviourPath = "", ...args] = process.argv.slice(2);
const behaviour = JSON.parse(readFileSync(behaviourPath, "utf8")) as FakeEngineBehaviour;
const { answer = "This is a fake answer.", unavailableProbes = 0 } = behaviour;
const pieces = answer.match(/\s*\S+/g) ?? [];
let probesLeft = unavailableProbes === -1 ? Infinity : unavailableProbes;

const flag = (name: string): string | undefined => (args.includes(name) ? args[args.lastIndexOf(name) + 1] : undefined);
const alias = flag("--alias") ?? "fake";
const apiKey = flag("--api-key");

for (const line of behaviour.stderr ?? []) process.stderr.write(`${line}\n`);
for (const line of behaviour.stdout ?? []) process.stdout.write(`${line}\n`);
if (behaviour.exitCode !== undefined) process.exit(behaviour.exitCode);
process.on("SIGTERM", () => {
  if (behaviour.ignoresSigterm !== true) process.exit(0);
});
process.stdin.on("data", (line: Buffer) => {
  if (behaviour.ignoresSigterm !== true && line.toString().trim() === "cmd_router_to_child:exit") process.exit(0);
});
process.stdin.on("end", () => {
  if (behaviour.ignoresEndOfInput !== true) process.exit(0);
});
await sleep(behaviour.listenDelayMs ?? 0);
createServer((request, response) => void serve(request, response)).listen(
  Number(flag("--port") ?? 8080),
  flag("--host") ?? "127.0.0.1",
  () => {
    if (behaviour.speaksProtocol === true && probesLeft === 0)
      process.stdout.write('cmd_child_to_router:state:{"state":"ready","payload":{}}\n');
  },
);

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? "/", "http://localhost").pathname;
  if (path === "/health" || path === "/v1/health") {
    if (probesLeft-- > 0) fail(response, 503, "unavailable_error", "Loading model");
    else send(response, { status: "ok" });
    return;
  }
  if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`) {
    fail(response, 401, "authentication_error", "Invalid API Key");
    return;
  }
  if (behaviour.isSilent === true) return;
  const body = request.method === "POST" ? ((await json(request)) as Record<string, unknown>) : {};
  const tokenizer = behaviour.hasVersionedTokenizer === true ? "/v1" : "";
  switch (path) {
    case "/v1/chat/completions":
    case "/v1/completions":
      if (body["stream"] === true) await sendStream(response, path);
      else send(response, completion(path, answer, "stop"));
      return;
    case "/v1/embeddings": {
      const inputs = Array.isArray(body["input"]) ? body["input"] : [body["input"]];
      const data = inputs.map((input, index) => ({ object: "embedding", index, embedding: [String(input).length, 1, 0] }));
      send(response, { object: "list", model: alias, data, usage: { prompt_tokens: 1, total_tokens: 1 } });
      return;
    }
    case `${tokenizer}/tokenize`:
      send(response, { tokens: Array.from(String(body["content"]), (char) => char.codePointAt(0)) });
      return;
    case `${tokenizer}/detokenize`:
      send(response, { content: String.fromCodePoint(...(body["tokens"] as number[])) });
      return;
    case "/props":
      send(response, { total_slots: 1, model_alias: alias, build_info: "fake" });
      return;
    default:
      fail(response, 404, "not_found_error", "File Not Found");
  }
}

function completion(path: string, text: string, finishReason: string | null): Record<string, unknown> {
  const base = {
    id: "fake-1",
    model: alias,
    created: 0,
    usage: { prompt_tokens: 1, completion_tokens: pieces.length, total_tokens: 1 + pieces.length },
  };
  if (path === "/v1/completions") return { ...base, object: "text_completion", choices: [{ index: 0, text, finish_reason: finishReason }] };
  const message = { role: "assistant", content: text };
  return { ...base, object: "chat.completion", choices: [{ index: 0, message, finish_reason: finishReason }] };
}

function chunk(path: string, text: string | undefined, finishReason: string | null): Record<string, unknown> {
  const base = { id: "fake-1", model: alias, created: 0 };
  if (path === "/v1/completions")
    return { ...base, object: "text_completion", choices: [{ index: 0, text: text ?? "", finish_reason: finishReason }] };
  const delta = text === undefined ? {} : { content: text };
  return { ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finishReason }] };
}

async function sendStream(response: ServerResponse, path: string): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const write = (data: string) => response.write(`data: ${data}\n\n`);
  for (const [i, piece] of pieces.entries()) {
    if (i === behaviour.diesInStreamAfter) process.kill(process.pid, "SIGKILL");
    if (i === behaviour.cutsStreamAfter) {
      response.destroy();
      return;
    }
    write(JSON.stringify(chunk(path, piece, null)));
    await sleep(behaviour.pieceIntervalMs ?? 0);
  }
  write(JSON.stringify(chunk(path, undefined, "stop")));
  write("[DONE]");
  response.end();
}

function send(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: number, type: string, message: string): void {
  send(response, { error: { message, type, code } }, code);
}
