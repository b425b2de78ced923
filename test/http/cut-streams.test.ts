import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  createWorkspace,
  makeMisbehavingEngine,
  openRawConnection,
  startLemonade,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { RECORDED_ANSWER, RECORDED_EVENTS } from "../fixtures/misbehaving-engine/answer.ts";

/** A lost connection is looked into for a moment, so that cuts are tried side by side. */
const SIDE_BY_SIDE = 32;

const bytesOf = (text: string) => Buffer.byteLength(text);
const HEAD = RECORDED_ANSWER.slice(0, RECORDED_ANSWER.indexOf("\r\n\r\n") + "\r\n\r\n".length);

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/** Asks over a bare socket and takes the answer apart; fails when its chunks are not exactly those of HTTP. */
async function ask(port: number, cutAfterBytes: number): Promise<RawAnswer> {
  await using connection = await openRawConnection(port);
  const body = JSON.stringify({ model: "tiny", messages: [], stream: true, cut_after_bytes: cutAfterBytes });
  const head = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Connection: close", `Content-Length: ${bytesOf(body)}`];
  await connection.send(`${head.join("\r\n")}\r\n\r\n${body}`);
  await connection.closed;
  const received = Buffer.from(connection.received());
  const headEnd = received.indexOf("\r\n\r\n") + 4;
  const headers = received.subarray(0, headEnd).toString().toLowerCase();
  const status = Number(headers.slice("http/1.1 ".length, "http/1.1 200".length));
  const rest = received.subarray(headEnd);
  return { status, body: headers.includes("transfer-encoding: chunked") ? joinChunks(rest) : rest.toString() };
}

function joinChunks(bytes: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const length = Number.parseInt(bytes.subarray(at, lineEnd).toString(), 16);
    const end = lineEnd + 2 + length;
    expect(bytes.subarray(end, end + 2).toString()).toBe("\r\n");
    if (length === 0) {
      expect(bytes.length).toBe(end + 2);
      return Buffer.concat(pieces).toString();
    }
    pieces.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}

/** Every event of a body, each with its blank line. */
function eventsOf(body: string): string[] {
  if (body === "") return [];
  expect(body).toEndWith("\n\n");
  return body
    .slice(0, -2)
    .split("\n\n")
    .map((event) => `${event}\n\n`);
}

function expectErrorEvent(event: string | undefined): void {
  expect(event).toStartWith("data: {");
  expect(JSON.parse(event!.slice("data: ".length))).toEqual({
    error: expect.objectContaining({ code: "upstream_unreachable", type: "server_error" }),
  });
}

async function askAtEveryByte(port: number, bytes: number, check: (answer: RawAnswer, cut: number) => void): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let cut = next++; cut <= bytes; cut = next++) check(await ask(port, cut), cut);
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
}

describe.each([
  ["breaks the connection", false],
  ["ends its answer as if it were whole", true],
])("an engine that %s at any byte", (_name, cleanly) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "cut where asked", cleanly }] }]);
    server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/api/v1/load", { model_name: "tiny" });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  if (cleanly) {
    test("leaves whole events, and an error event where one was torn", async () => {
      const events = RECORDED_EVENTS.join("");
      await askAtEveryByte(server.port, bytesOf(events), ({ status, body }, cut) => {
        expect(status).toBe(200);
        const got = eventsOf(body);
        const wholeCount = RECORDED_EVENTS.findIndex((_event, i) => bytesOf(RECORDED_EVENTS.slice(0, i + 1).join("")) > cut);
        const whole = wholeCount === -1 ? RECORDED_EVENTS : RECORDED_EVENTS.slice(0, wholeCount);
        expect(got.slice(0, whole.length)).toEqual([...whole]);
        const rest = Buffer.from(events)
          .subarray(bytesOf(whole.join("")), cut)
          .toString()
          .trimEnd();
        const isTorn = rest !== "" && !rest.startsWith(":") && rest !== RECORDED_EVENTS[whole.length]?.trimEnd();
        if (isTorn) expectErrorEvent(got.at(-1));
        else expect(got.slice(whole.length)).toEqual(rest === "" ? [] : [`${rest}\n\n`]);
        expect(got.length - whole.length).toBeLessThanOrEqual(1);
      });
    }, 60_000);
  } else {
    test("leaves whole events and an error event at the end, or an error before the first byte", async () => {
      await askAtEveryByte(server.port, bytesOf(RECORDED_ANSWER), ({ status, body }, cut) => {
        if (cut < bytesOf(HEAD)) {
          expect(status).toBe(502);
          expect(JSON.parse(body)).toHaveProperty("error.code", "upstream_unreachable");
          return;
        }
        expect(status).toBe(200);
        const got = eventsOf(body);
        // Whether the very last bytes of the framing came makes no difference to a complete answer.
        if (got.length === RECORDED_EVENTS.length && got.at(-1) === "data: [DONE]\n\n") return;
        expectErrorEvent(got.pop());
        expect(RECORDED_EVENTS.slice(0, got.length)).toEqual(got);
        expect(cut).toBeLessThan(bytesOf(RECORDED_ANSWER));
      });
    }, 60_000);
  }
});
