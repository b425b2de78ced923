import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { openRawConnection, startLemonade, type Lemonade } from "../fixtures/index.ts";

let server: Lemonade;
beforeAll(async () => {
  server = await startLemonade({ flags: ["--allowed-origins", "https://chat.example.org", "--allowed-hosts", "lemon.example.org"] });
});
afterAll(async () => await server[Symbol.asyncDispose]());

/** Sends bytes and resolves to everything that comes back until the server closes or `until` is seen. */
async function raw(bytes: string, { until = "\0" }: { until?: string } = {}): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  let answer = "";
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", resolve);
    socket.on("data", (data) => {
      answer += data.toString();
      if (answer.includes(until)) socket.destroy();
    });
    socket.write(bytes);
  });
  return answer;
}
const get = (path: string, headers: Record<string, string>) =>
  raw(
    `GET ${path} HTTP/1.1\r\n${Object.entries({ Host: "localhost", Connection: "close", ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
  );

describe("Host", () => {
  test("addresses, localhost, its names and allowed names are answered", async () => {
    for (const host of [
      "localhost",
      "localhost:8000",
      "127.0.0.1",
      "[::1]:80",
      "app.localhost",
      "192.168.1.2:8000",
      "Lemon.example.org.",
    ]) {
      expect(await get("/v1/models", { Host: host })).toStartWith("HTTP/1.1 200");
    }
  });

  test("a foreign name that points here is refused: the page behind it reads nothing", async () => {
    const answer = await get("/v1/models", { Host: "rebound.example.com" });
    expect(answer).toStartWith("HTTP/1.1 403");
    expect(answer).toContain("host_not_allowed");
  });

  test("what is no host at all is refused, and the answer shows nothing of the server's inside", async () => {
    for (const host of ["]]][", "a b", "", "user@localhost", "localhost/x", "localhost:99999", "[::1", "[::1]evil.com", "[127.0.0.1]"]) {
      const answer = await get("/live", { Host: host });
      expect([host, answer]).toEqual([host, expect.stringMatching(/^HTTP\/1\.1 403 /)]);
      expect(answer).toContain("host_not_allowed");
      expect(answer).not.toContain(process.cwd());
    }
  });

  test("a client of HTTP/1.0 needs none: it gets the path that it asks for", async () => {
    const ask = async (line: string, body = "") => await raw(`${line} HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await ask("GET /live")).toStartWith("HTTP/1.1 200");
    expect(await ask("GET /v1/models/tiny?details=true")).toContain('"architecture"');
    expect(await ask("GET /nowhere")).toContain("endpoint_not_found");
    expect(await ask("PUT /v1/models")).toContain("/v1/models takes GET or HEAD");
    expect(await ask("POST /v1/log-level", '{"level":"info"}')).toStartWith("HTTP/1.1 200");
  });
});

describe("Origin", () => {
  test("pages of this machine, of the server itself and of allowed sites may read answers, each named exactly", async () => {
    for (const origin of ["http://localhost:3000", "http://127.0.0.1:5173", "https://chat.example.org", "vscode-webview://x"]) {
      const response = await server.fetch("/v1/models", { headers: { origin } });
      expect(response.status).toBe(200);
      expect(response.headers.get("access-control-allow-origin")).toBe(origin);
      expect(response.headers.get("vary")).toContain("Origin");
    }
  });

  test("foreign pages are refused, also one whose name only begins like an allowed one", async () => {
    for (const origin of [
      "https://evil.example.com",
      "https://chat.example.org.evil.com",
      "http://localhost.evil.com",
      "http://127.evil.com",
      "http://127.0.0.1.evil.com",
      "null",
    ]) {
      const response = await server.post("/v1/chat/completions", { model: "tiny" }, { headers: { origin } });
      expect(response.status).toBe(403);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
    expect(await server.models()).toEqual([]);
  });

  test("a request of another site that carries no origin is refused, following a link is not", async () => {
    expect(await get("/v1/models", { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" })).toStartWith("HTTP/1.1 403");
    expect(await get("/v1/models", { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" })).toStartWith("HTTP/1.1 200");
  });

  test("a preflight tells the methods of the path, takes the SDK's own headers and allows private networks when asked", async () => {
    const response = await server.fetch("/v1/chat/completions", {
      method: "OPTIONS",
      headers: {
        origin: "https://chat.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-lang",
        "access-control-request-private-network": "true",
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-methods")).toBe("POST");
    expect(response.headers.get("access-control-allow-headers")).toBe("authorization,x-stainless-lang");
    expect(response.headers.get("access-control-allow-private-network")).toBe("true");
    expect(response.headers.get("access-control-allow-origin")).toBe("https://chat.example.org");
  });
});

describe("strange requests", () => {
  test("a body nested deeper than engines survive is refused before any engine sees it", async () => {
    const depth = 1_000_000;
    const body = `{"model":"tiny","messages":[],"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    const response = await server.fetch("/v1/chat/completions", { method: "POST", body });
    expect(response.status).toBe(400);
    const adapters = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const refused = await server.fetch("/lora-adapters?model=tiny", { method: "POST", body: adapters });
    expect(await refused.json()).toMatchObject({ message: expect.stringContaining("nested too deeply") });
    expect(await server.models()).toEqual([]);
  });

  test("a body above the limit is refused with 413", async () => {
    const answer = await raw(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${101 * 2 ** 20}\r\n\r\n`, {
      until: "\r\n\r\n",
    });
    expect(answer).toStartWith("HTTP/1.1 413");
  });

  test("a body in chunks above the limit is refused before it has ended", async () => {
    await using connection = await openRawConnection(server.port);
    await connection.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(2 ** 20, " "), Buffer.from("\r\n")]);
    for (let sentMiB = 0; sentMiB <= 100; sentMiB++) await connection.send(chunk);
    expect(await connection.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 413");
  });

  test("headers above the limit are refused", async () => {
    expect(await get("/v1/models", { "X-Long": "x".repeat(100_000) })).toStartWith("HTTP/1.1 431");
  });

  test("a path that climbs out of its folder is no path of ours", async () => {
    for (const path of ["/../../etc/passwd", "/v1/models/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]) {
      const answer = await get(path, {});
      expect(answer).toStartWith("HTTP/1.1 404");
      expect(answer).not.toContain("root:");
    }
  });

  test("many clients that send their headers slowly do not keep others from being answered", async () => {
    const sockets = Array.from({ length: 200 }, () => connect(server.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    for (const socket of sockets) socket.write("GET /v1/models HTTP/1.1\r\nHost: loc");
    expect((await server.fetch("/v1/models")).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test("every answer has a request id; a client's own is kept when it is harmless", async () => {
    const id = async (headers: Record<string, string>) => (await server.fetch("/v1/none", { headers })).headers.get("x-request-id");
    expect(await id({})).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id({ "x-request-id": "job-7:a" })).toBe("job-7:a");
    expect(await id({ "x-request-id": "<script>" })).not.toBe("<script>");
  });
});
