import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import {
  createWorkspace,
  describeWithEachEngine,
  isAlive,
  makeMisbehavingEngine,
  residentBytes,
  startLemonade,
  until,
} from "../fixtures/index.ts";

const chat = (model: string) => ({ model, messages: [{ role: "user", content: "hi" }] });

describe("an engine that crashes again and again", () => {
  test("is started less and less often, then refused with its cause, until somebody loads it by hand", async () => {
    await using workspace = await createWorkspace();
    const crash = { answers: [{ kind: "crash" }] } as const;
    const engine = await makeMisbehavingEngine(workspace, [crash, crash, crash, crash, crash, crash, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    // Each request costs two crashes: its own and that of its repetition.
    for (let i = 0; i < 3; i++) expect((await server.post("/v1/chat/completions", chat("tiny"))).status).toBe(502);
    const refused = await server.post("/v1/chat/completions", chat("tiny"));
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({
      error: { code: "engine_keeps_crashing" },
      detail: expect.stringContaining("6 times in a row"),
    });
    expect(await server.models()).toEqual([expect.objectContaining({ model_name: "tiny", state: "failed" })]);
    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
    expect((await server.post("/v1/chat/completions", chat("tiny"))).status).toBe(200);
  }, 60_000);
});

describe("an engine that ends while it loads", () => {
  test("is started less and less often too, then refused with its cause, until somebody loads it by hand", async () => {
    await using workspace = await createWorkspace();
    const broken = { exitsWith: 1, says: ["error: something is wrong with this machine"] };
    const engine = await makeMisbehavingEngine(workspace, [...Array.from({ length: 6 }, () => broken), {}]);
    const env = { ...engine.env, LEMONADE_LLAMACPP_NO_FALLBACK: "1" };
    await using server = await startLemonade({ workspace, flags: engine.flags, env });
    const answers = Array.from({ length: 6 }, async () => (await server.post("/v1/chat/completions", chat("tiny"))).status);
    expect((await Promise.all(answers)).filter((status) => status !== 422)).toEqual([]);
    expect(await engine.journal("start")).toHaveLength(1);
    for (let load = 2; load <= 6; load++) await server.post("/v1/chat/completions", chat("tiny"));
    const refused = await server.post("/v1/chat/completions", chat("tiny"));
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({
      error: { code: "engine_keeps_crashing" },
      detail: expect.stringContaining("something is wrong with this machine"),
    });
    expect(await engine.journal("start")).toHaveLength(6);
    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
  }, 60_000);
});

describe("why a model is not loaded any more", () => {
  test("is told until it is loaded again: by its load that failed, by its engine that ended", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ exitsWith: 3, says: ["a secret line"] }, {}]);
    const env = { ...engine.env, LEMONADE_LLAMACPP_NO_FALLBACK: "1" };
    await using server = await startLemonade({ workspace, flags: engine.flags, env });
    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(422);
    const [failed] = await server.models();
    expect(failed).toMatchObject({ model_name: "tiny", state: "failed", pid: null, notes: [expect.stringContaining("exit code 3")] });
    expect(failed?.notes.join("")).not.toContain("a secret line");
    // A request that names no model means none that is not loaded.
    expect((await server.post("/v1/chat/completions", { messages: [] })).status).toBe(400);

    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
    const { state, notes, pid } = await server.model("tiny");
    expect({ state, notes }).toEqual({ state: "ready", notes: [] });
    process.kill(pid, "SIGKILL");
    await until("its end is told", async () => (await server.model("tiny")).state === "failed");
    expect((await server.model("tiny")).notes).toEqual(["signal SIGKILL"]);
    expect((await server.post("/v1/chat/completions", chat("tiny"))).status).toBe(200);
    expect((await server.model("tiny")).state).toBe("ready");
  });
});

describeWithEachEngine("an engine that hangs", (engine) => {
  test("is noticed by its health, killed and replaced by the next request", async () => {
    await using server = await startLemonade({ engine, env: { LEMONADE_HEALTH_PROBE_MS: "200" } });
    await server.post("/v1/load", { model_name: "tiny" });
    const { pid } = await server.model("tiny");
    process.kill(pid, "SIGSTOP");
    await until("the hung engine is gone", async () => !(await isAlive(pid)));
    expect((await server.post("/v1/chat/completions", chat("tiny"))).status).toBe(200);
    expect((await server.model("tiny")).pid).not.toBe(pid);
    expect(server.log()).toContain("did not answer its health probes");
  });

  test("is given more time while it is busy", async () => {
    await using server = await startLemonade({ engine, env: { LEMONADE_HEALTH_PROBE_MS: "300" } });
    await server.post("/v1/load", { model_name: "tiny" });
    const { pid } = await server.model("tiny");
    process.kill(pid, "SIGSTOP");
    const answer = server.post("/v1/chat/completions", chat("tiny"));
    await until("three probes were missed", () => server.log().includes("(3 in a row)"));
    process.kill(pid, "SIGCONT");
    expect((await answer).status).toBe(200);
    expect((await server.model("tiny")).pid).toBe(pid);
  });
});

describe("an engine that finds too little memory", () => {
  const REFUSAL = "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99999999999";
  const OUT_OF_MEMORY = { exitsWith: 1, says: [REFUSAL] };

  const layersOf = (starts: readonly { readonly args: readonly string[] }[]) => starts.map(({ args }) => args[args.indexOf("-ngl") + 1]);

  test.each([
    ["main memory", REFUSAL],
    ["that of the GPU", "ggml_vulkan: Device memory allocation of size 9 failed: ErrorOutOfDeviceMemory"],
  ])("(%s) is tried once more on the GPU after idle models of whatever kind have gone", async (_which, line) => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}, { exitsWith: 1, says: [line] }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/v1/load", { model_name: "tiny-embedding" });
    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
    expect(await server.models()).toEqual([expect.objectContaining({ model_name: "tiny", notes: [] })]);
    expect(layersOf(await engine.journal("start"))).toEqual(["99", "99", "99"]);
  });

  test("runs on the CPU when it is too little all the same", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}, OUT_OF_MEMORY, OUT_OF_MEMORY, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/v1/load", { model_name: "tiny-embedding" });
    expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
    expect(await server.models()).toEqual([
      expect.objectContaining({ model_name: "tiny", notes: [expect.stringContaining("runs on the CPU")] }),
    ]);
    expect(layersOf(await engine.journal("start"))).toEqual(["99", "99", "99", "0"]);
  });

  test("leaves a busy model alone", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [
      { answers: [{ kind: "stream", gate: gatePath("answer") }] },
      OUT_OF_MEMORY,
    ]);
    await using server = await startLemonade({ workspace, flags: [...engine.flags, "--max-loaded-models", "2"], env: engine.env });
    const stream = await server.post("/v1/chat/completions", { ...chat("tiny"), stream: true });
    expect((await server.post("/v1/load", { model_name: "tiny-embedding" })).status).toBe(422);
    await engine.openGate("answer");
    expect(await stream.text()).toEndWith("data: [DONE]\n\n");
    expect((await server.model("tiny")).state).toBe("ready");
  });

  test("so little that the system kills it is treated alike", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{}, { gate: gatePath("never") }]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/v1/load", { model_name: "tiny-embedding" });
    const load = server.post("/v1/load", { model_name: "tiny" });
    // The first start, the one after the other model has gone, and the one on the CPU.
    for (let start = 2; start <= 4; start++) process.kill((await engine.noted("start", start)).pid, "SIGKILL");
    const response = await load;
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      error: { code: "out_of_memory" },
      detail: expect.stringMatching(/SIGKILL[^]*needs about [\d.]+ GB/),
    });
    expect(server.log()).toContain("evicting tiny-embedding");
  });

  test("is an error with the numbers when nothing can go", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [OUT_OF_MEMORY]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const response = await server.post("/v1/load", { model_name: "tiny" });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      error: { code: "out_of_memory" },
      detail: expect.stringMatching(/needs about [\d.]+ GB with a context of 4096 tokens[^]*main memory are free/),
    });
  });
});

describeWithEachEngine("loading and unloading many times", (engine) => {
  /** Cycles before the first figures: code is compiled and pools are filled in them. */
  const WARM_UP = 50;
  /** As many as it takes to see something grow. */
  const CYCLES = 200;
  /** The collector lets memory swing by up to 15 MB; an engine's last lines or its answers kept of each load would soon be more. */
  const ALLOWED_GROWTH_BYTES = 24 * 2 ** 20;

  test("leaves memory flat, and no process, port or open file", async () => {
    await using workspace = await createWorkspace();
    await using server = await startLemonade({ workspace, engine });
    const cycle = async () => {
      expect((await server.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
      expect((await server.post("/v1/unload", {})).status).toBe(200);
    };
    for (let i = 0; i < WARM_UP; i++) await cycle();
    const [filesBefore, bytesBefore] = [await openFilesOf(server.pid), await residentBytes(server.pid)];
    for (let i = 0; i < CYCLES; i++) await cycle();
    const growth = (await residentBytes(server.pid)) - bytesBefore;
    process.stdout.write(`      ${CYCLES} cycles: memory ${growth < 0 ? "" : "+"}${(growth / 2 ** 20).toFixed(1)} MB\n`);
    expect(growth).toBeLessThan(ALLOWED_GROWTH_BYTES);
    // A port is held by a process or as an open file: when neither is left, none is.
    expect((await workspace.processes()).map(({ pid }) => pid)).toEqual([server.pid]);
    await until("no file is left open", async () => (await openFilesOf(server.pid)) <= filesBefore + 2);
  }, 300_000);
});

async function openFilesOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
