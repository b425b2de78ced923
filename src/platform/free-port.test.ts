import { expect, test } from "bun:test";
import { createServer, type AddressInfo } from "node:net";
import { pickFreePort } from "./free-port.ts";

async function listen(port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return { port: bound, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

test("a port that was picked can be listened on", async () => {
  const port = await pickFreePort();
  await using server = await listen(port);
  expect(server.port).toBe(port);
});

test("a taken port of a range is passed over", async () => {
  await using taken = await listen(0);
  const { port } = taken;
  expect(await pickFreePort({ range: [port, port + 50] })).toBeGreaterThan(port);
});

test("a range without a free port is refused with its bounds", async () => {
  await using taken = await listen(0);
  const { port } = taken;
  const refusal: unknown = await pickFreePort({ range: [port, port] }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "PORT_IN_USE", message: expect.stringContaining(`${port}`) });
});
