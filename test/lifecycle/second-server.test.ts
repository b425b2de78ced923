import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { createWorkspace, runCommand, startCommand, startLemonade, until } from "../fixtures/index.ts";

test("a second server on the same cache is refused, and says which port the first one has", async () => {
  await using workspace = await createWorkspace();
  await using server = await startLemonade({ workspace });
  for (const port of ["0", String(server.port)]) {
    const { code, stdout, stderr } = await runCommand(["serve", "--port", port], { workspace });
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
    expect(stdout).toBe(
      `Lemonade Server is already running on port ${server.port}\nPlease stop the existing server before starting a new instance.\n`,
    );
  }
  expect((await server.fetch("/live")).status).toBe(200);
});

test("of several that start at once, one runs and the others say so", async () => {
  await using workspace = await createWorkspace();
  const rivals = [1, 2, 3].map(() => startCommand(["serve", "--port", "0"], { workspace }));
  const ended: number[] = [];
  for (const [i, { result }] of rivals.entries()) void result.then(() => ended.push(i));
  await until("all but one give up", () => ended.length === rivals.length - 1);
  for (const i of ended) expect((await rivals[i]!.result).code).toBe(2);
  expect((await runCommand(["stop"], { workspace })).stdout).toBe("Lemonade Server stopped successfully.\n");
  expect((await Promise.all(rivals.map(async ({ result }) => `${(await result).code}`))).toSorted()).toEqual(["0", "2", "2"]);
});

test("a port that another program holds is named with its holder", async () => {
  await using workspace = await createWorkspace();
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  if (address === null || typeof address === "string") throw new Error("There is no port");
  const { code, stderr } = await runCommand(["serve", "--port", String(address.port)], { workspace });
  expect(code).toBe(1);
  expect(stderr).toContain(`error: Port ${address.port} is taken by process ${process.pid} (`);
  expect(stderr).toContain("hint: Choose another one: --port");
  await new Promise((resolve) => holder.close(resolve));
});

test("a port that a server on another cache holds is named with its holder", async () => {
  await using first = await startLemonade();
  await using workspace = await createWorkspace();
  const { code, stderr } = await runCommand(["serve", "--port", String(first.port)], { workspace });
  expect(code).toBe(1);
  expect(stderr).toContain(`process ${first.pid} (`);
});
