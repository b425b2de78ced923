import { expect, test } from "bun:test";
import { openRawConnection } from "../../test/fixtures/index.ts";
import { eventResponse } from "./event-response.ts";
import { listen, type Connection, type Listener } from "./listen.ts";

type Answer = (request: Request, connection: Connection) => Promise<Response>;

async function withServer(answer: Answer, use: (listener: Listener, mistakes: unknown[]) => Promise<void>): Promise<void> {
  const mistakes: unknown[] = [];
  const listener = listen({
    host: "127.0.0.1",
    port: 0,
    fetch: answer,
    onMistake: (error) => void mistakes.push(error),
    idleSeconds: IDLE_SECONDS,
  });
  try {
    await use(listener, mistakes);
  } finally {
    await listener.stop({ force: true });
  }
}

/** The shortest that the system counts. */
const IDLE_SECONDS = 1;

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

test("what goes wrong with an answer is told to the owner and not to the client", async () => {
  const mistake = new Error("the secret of /home/user");
  await withServer(
    async () => await Promise.reject(mistake),
    async ({ port }, mistakes) => {
      const response = await fetch(`http://127.0.0.1:${port}/`);
      const text = await response.text();
      expect({ status: response.status, body: JSON.parse(text) }).toMatchObject({ status: 500, body: { error: { code: "internal" } } });
      expect(text).not.toContain("secret");
      expect(mistakes).toEqual([mistake]);
    },
  );
});

test("a connection that says nothing is closed at any point, whatever was answered before, but not while an answer takes its time", async () => {
  const othersAreClosed = Promise.withResolvers<void>();
  const answer: Answer = async (request, connection) => {
    if (request.method === "POST") await request.text();
    connection.bodyIsRead();
    const { pathname } = new URL(request.url);
    if (pathname === "/late") await othersAreClosed.promise;
    if (!pathname.endsWith("events")) return new Response("done");
    return eventResponse({ signal: request.signal, connection }, async function* () {
      yield "data: begun\n\n";
      if (pathname === "/late-events") await othersAreClosed.promise;
      yield "data: done\n\n";
    });
  };
  await withServer(answer, async ({ port }) => {
    await using late = await openRawConnection(port);
    await using events = await openRawConnection(port);
    await Promise.all([late.send(get("/late")), events.send(get("/late-events"))]);
    await events.until((text) => text.includes("begun"));
    const beginnings = [
      { sent: [""], isAnswered: false },
      { sent: ["GET / HTTP/1.1\r\nHost: loc"], isAnswered: false },
      { sent: ["POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"], isAnswered: false },
      { sent: [get("/")], isAnswered: true },
      { sent: [get("/events")], isAnswered: true },
      { sent: [get("/"), "GET / HTTP/1.1\r\nHost: loc"], isAnswered: true },
      { sent: [get("/events"), "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"], isAnswered: true },
    ];
    const closed = beginnings.map(async ({ sent: [first = "", second = ""], isAnswered }) => {
      await using connection = await openRawConnection(port);
      await connection.send(first);
      if (isAnswered) await connection.until((text) => text.includes("done"));
      await connection.send(second);
      await connection.closed;
    });
    await Promise.all(closed);
    othersAreClosed.resolve();
    await Promise.all([late, events].map(async (connection) => await connection.until((text) => text.includes("done"))));
  });
});
