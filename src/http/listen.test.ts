import { expect, test } from "bun:test";
import { listen } from "./listen.ts";

test("what goes wrong with an answer is told to the owner and not to the client", async () => {
  const mistakes: unknown[] = [];
  const listener = listen({
    host: "127.0.0.1",
    port: 0,
    fetch: async () => await Promise.reject(new Error("the secret of /home/user")),
    onMistake: (error) => void mistakes.push(error),
  });
  const response = await fetch(`http://127.0.0.1:${listener.port}/`);
  const text = await response.text();
  await listener.stop({ force: true });
  expect({ status: response.status, body: JSON.parse(text) }).toMatchObject({ status: 500, body: { error: { code: "internal" } } });
  expect(text).not.toContain("secret");
  expect(mistakes).toEqual([new Error("the secret of /home/user")]);
});
