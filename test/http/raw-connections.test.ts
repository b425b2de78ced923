import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  createWorkspace,
  makeMisbehavingEngine,
  openRawConnection,
  startLemonade,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";

const BODY = JSON.stringify({ model: "tiny", messages: [] });
const post = (headers: string, body: string) => `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${body}`;
const END_OF_CHUNKS = "\r\n0\r\n\r\n";

let workspace: Workspace;
let server: Lemonade;
beforeAll(async () => {
  workspace = await createWorkspace();
  // The first life is that of the model for text, which the first request loads.
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "echo" }] }]);
  server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  await server.post("/api/v1/load", { model_name: "tiny" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

test("several requests share a connection", async () => {
  await using connection = await openRawConnection(server.port);
  for (let i = 1; i <= 3; i++) {
    await connection.send(post(`Content-Length: ${BODY.length}`, BODY));
    await connection.until((text) => text.split('"path"').length === i + 1);
  }
  expect(connection.received().match(/HTTP\/1\.1 200/g)).toHaveLength(3);
});

test("a body in chunks is a body", async () => {
  await using connection = await openRawConnection(server.port);
  const chunks = [BODY.slice(0, 10), BODY.slice(10)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
  await connection.send(post("Transfer-Encoding: chunked", ""));
  for (const chunk of [...chunks, "0\r\n\r\n"]) await connection.send(chunk);
  const received = await connection.until((text) => text.includes('"path"'));
  expect(received).toContain(JSON.stringify(BODY));
});

test("a request that trickles in byte by byte is answered", async () => {
  await using connection = await openRawConnection(server.port);
  for (const byte of post(`Content-Length: ${BODY.length}`, BODY)) await connection.send(byte);
  await connection.until((text) => text.includes('"path"'));
});

test("a client that asks before it sends is told to go on", async () => {
  await using connection = await openRawConnection(server.port);
  await connection.send(post(`Content-Length: ${BODY.length}\r\nExpect: 100-continue`, ""));
  await connection.until((text) => text.startsWith("HTTP/1.1 100"));
  await connection.send(BODY);
  await connection.until((text) => text.includes('"path"'));
});

test("a client that closes when it is told so gets its answer first", async () => {
  await using connection = await openRawConnection(server.port);
  await connection.send(post(`Content-Length: ${BODY.length}\r\nConnection: close`, BODY));
  await connection.until((text) => text.includes('"path"'));
  await connection.closed;
});

test("what is no HTTP is refused, and the server goes on", async () => {
  await using connection = await openRawConnection(server.port);
  await connection.send("\u0016\u0003\u0001 this is no HTTP at all\r\n\r\n");
  await connection.closed;
  expect((await server.fetch("/live")).status).toBe(200);
});

test("the server answers on both loopback addresses", async () => {
  await using connection = await openRawConnection(server.port, "::1");
  await connection.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await connection.until((text) => text.includes('"ok"'));
});

test("a stream that its engine cut off ends as a whole answer", async () => {
  await using other = await createWorkspace();
  const engine = await makeMisbehavingEngine(other, (gatePath) => [
    {
      answers: [
        { kind: "crash in the middle", gate: gatePath("1") },
        { kind: "cut", gate: gatePath("2") },
      ],
    },
    { answers: [{ kind: "cut", gate: gatePath("2") }] },
  ]);
  await using cut = await startLemonade({ workspace: other, flags: engine.flags, env: engine.env });
  await using connection = await openRawConnection(cut.port);
  for (let i = 1; i <= 2; i++) {
    await connection.send(post(`Content-Length: ${BODY.length}`, BODY));
    await connection.until((text) => text.match(/^data: \{(?!"error")/gm)?.length === i); // What came before the break is not lost.
    await engine.openGate(String(i));
    await connection.until((text) => text.split(END_OF_CHUNKS).length === i + 1);
  }
  expect(connection.received().match(/^data: \{"error"/gm)).toHaveLength(2);
});
