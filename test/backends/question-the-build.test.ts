import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, describeWith, startLemonade, until, type Workspace } from "../fixtures/index.ts";

/** A program in the place of llama-server that answers `--help` and `--version` as the shell commands say. */
async function serveWith(workspace: Workspace, commands: string) {
  const program = join(workspace.folder, "my-llama-server");
  await writeFile(program, `#!/bin/sh\n${commands}\n`, { mode: 0o755 });
  return await startLemonade({ workspace, flags: ["--llamacpp-bin", program] });
}

// The programs are shell scripts.
describe.skipIf(process.platform === "win32")("an installed build that cannot be asked what it knows", () => {
  test("fails the load with the cause and its last lines", async () => {
    await using workspace = await createWorkspace();
    const line = "my-llama-server: error while loading shared libraries: libcudart.so.12: cannot open shared object file";
    await using server = await serveWith(workspace, `echo "${line}" >&2; exit 127`);
    const response = await server.post("/api/v1/load", { model_name: "tiny" });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect({ status: response.status, code: error.code }).toEqual({ status: 422, code: "model_load_failed" });
    expect(error.message).toContain("a shared library is missing");
    expect(error.message).toContain(line);
    expect((await server.fetch("/props")).status).toBe(200);
  });

  test("is ended with everything that it started when nobody waits for its answer any more", async () => {
    await using workspace = await createWorkspace();
    await using server = await serveWith(workspace, "trap '' TERM; sleep 600; sleep 600");
    const leaving = new AbortController();
    const load = server.post("/api/v1/load", { model_name: "tiny" }, { signal: leaving.signal }).catch(() => undefined);
    // The server, and for each of the two questions a shell with its sleep.
    await until("both questions were asked", async () => (await workspace.processes()).length === 5);
    leaving.abort();
    await load;
    await until("its processes are gone", async () => (await workspace.processes()).length === 1);
  });
});

describeWith("llamacpp", "options of llama.cpp in the environment", (engine) => {
  test("do not reach a build that is asked what it knows", async () => {
    await using server = await startLemonade({ engine, env: { LLAMA_ARG_CTX_SIZE: "no number" } });
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
  });
});
