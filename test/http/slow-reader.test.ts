import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createWorkspace, makeMisbehavingEngine, residentBytes, startLemonade, until } from "../fixtures/index.ts";

const MEGABYTE = 2 ** 20;
const BODY = JSON.stringify({ model: "tiny", stream: true, messages: [{ role: "user", content: "hi" }] });

test("a client that does not read stops the engine, and costs little memory", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "flood" }] }]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  await server.post("/api/v1/load", { model_name: "tiny" });
  const before = await residentBytes(server.pid);

  const readers = await Promise.all(Array.from({ length: 4 }, async () => await startReading(server.port)));
  for (const count of readers.keys()) {
    const { bytes } = await engine.noted("stalled", count + 1);
    // What the kernel holds for both connections, and one piece in our hands.
    expect(bytes).toBeLessThan(64 * MEGABYTE);
  }
  const grown = (await residentBytes(server.pid)) - before;
  process.stdout.write(`      four unread streams cost ${(grown / MEGABYTE).toFixed(1)} MB\n`);
  expect(grown).toBeLessThan(64 * MEGABYTE);

  // Reading again sets the engine going again.
  const [first] = readers;
  let readBytes = 0;
  first!.on("data", (chunk: Buffer) => void (readBytes += chunk.length));
  first!.resume();
  await until("the stream flows again", () => readBytes > 32 * MEGABYTE);
  for (const reader of readers) reader.destroy();
  await engine.noted("client left", readers.length);
  await until("every lease is given back", async () => (await server.model("tiny")).in_flight === 0);
});

test("a long stream that is read costs no more memory at its end than at its beginning", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "flood" }] }]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const reader = await startReading(server.port);
  let readBytes = 0;
  reader.on("data", (chunk: Buffer) => void (readBytes += chunk.length));
  reader.resume();
  await until("some has been read", () => readBytes > 64 * MEGABYTE);
  const early = await residentBytes(server.pid);
  await until("much has been read", () => readBytes > 256 * MEGABYTE);
  const grown = (await residentBytes(server.pid)) - early;
  process.stdout.write(`      192 MB more of a stream cost ${(grown / MEGABYTE).toFixed(1)} MB\n`);
  expect(grown).toBeLessThan(64 * MEGABYTE);
  reader.destroy();
  await engine.noted("client left");
});

/** Asks for a stream on a bare connection; resolves, without reading on, once the first bytes of the answer are here. */
async function startReading(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`);
  const start = await new Promise<Buffer>((resolve) =>
    socket.once("data", (chunk: Buffer) => {
      socket.pause();
      resolve(chunk);
    }),
  );
  expect(start.toString("latin1")).toStartWith("HTTP/1.1 200");
  return socket;
}
