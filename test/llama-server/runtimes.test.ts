import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findNode } from "../../scripts/find-node.ts";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { describeWith, ENGINES_FOLDER } from "../fixtures/index.ts";
import { makeZip, ReleaseServer } from "../fixtures/releases/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

// It compiles the library, and the first time it fetches a Node.
setDefaultTimeout(300_000);

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const executable = join(ENGINES_FOLDER, "llamacpp", "from-source", process.platform === "win32" ? "llama-server.exe" : "llama-server");

/** A program of somebody who tests without an engine: the fake engine runs on whatever runs the program. */
const FAKES = `
import { createLlamaServer } from "lemon.ts";
import { FakeInferenceProcess, fakeStream, makeFakeEngine } from "lemon.ts/testing";
const fake = new FakeInferenceProcess({ replies: { "/v1/chat/completions": fakeStream([{ choices: [{ delta: { content: "fake" } }] }]) } });
await fake.start();
for await (const chunk of fake.chatCompletionsStream({ messages: [] })) console.log(chunk.choices[0].delta.content);
const { executable, model, ...engine } = await makeFakeEngine({ answer: "one two three", diesInStreamAfter: 2 });
const server = await createLlamaServer({ executable, model, alias: "a" });
await server.start({ intervalMs: 20 });
console.log((await server.chatCompletions({ messages: [] })).choices[0].message.content);
try {
  for await (const chunk of server.chatCompletionsStream({ messages: [] })) console.log(chunk.choices[0].delta.content);
} catch (error) {
  console.log(error.code, server.state, (await server.stop()).signal);
}
await engine[Symbol.asyncDispose]();
`;

/** A program of somebody who brings engines for another platform along, from the mirror that is its argument. */
const PROVISIONING = `
import { EXEC_NAME, executableName, extractArchive, installBinaries, resolveExecutable } from "lemon.ts";
import { readdir, readFile } from "node:fs/promises";
const [mirrorUrl, binDir, archive] = process.argv.slice(2);
const target = "aarch64-apple-darwin";
const options = { mirrorUrl, binDir, target, variants: ["metal"] };
const [metal] = await installBinaries(options);
console.log(metal.tag, metal.executable === await resolveExecutable({ lookupPath: binDir, target, name: executableName(target) }));
console.log(await readFile(metal.executable, "utf8"), (await installBinaries(options))[0].wasInstalledAlready);
await extractArchive(archive, binDir + "/unpacked");
console.log((await readdir(binDir + "/unpacked")).join(), EXEC_NAME.startsWith("llama-server"));
`;

describeWith("llamacpp", "the library, installed as a package", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: string;
  const programs = () => ({
    example: join(folder.path, "llama-server.ts"),
    fakes: join(folder.path, "fakes.mjs"),
    provisioning: join(folder.path, "provisioning.mjs"),
    model: join(folder.path, "tiny.gguf"),
  });

  /** Puts the compiled library where npm would put it, with its dependencies beside it. */
  beforeAll(async () => {
    folder = await temporaryFolder();
    const packages = join(folder.path, "node_modules");
    await mkdir(join(packages, "lemon.ts"), { recursive: true });
    const tsc = join(root, "node_modules", ".bin", process.platform === "win32" ? "tsc.cmd" : "tsc");
    // Types are checked elsewhere; here only the emitted code counts.
    await run(tsc, ["-p", "tsconfig.build.json", "--outDir", join(packages, "lemon.ts", "dist", "lib")], { cwd: root }).catch(
      () => undefined,
    );
    await cp(join(root, "package.json"), join(packages, "lemon.ts", "package.json"));
    await cp(join(root, "src"), join(packages, "lemon.ts", "src"), { recursive: true }); // What Bun runs.
    for (const name of await readdir(join(root, "node_modules"))) {
      if (!name.startsWith(".")) await symlink(join(root, "node_modules", name), join(packages, name), "junction").catch(() => undefined);
    }
    await cp(join(root, "examples", "llama-server.ts"), programs().example);
    await writeFile(programs().fakes, FAKES);
    await writeFile(programs().provisioning, PROVISIONING);
    await writeFile(programs().model, buildTinyModel());
    node = await findNode();
  });
  afterAll(async () => await folder[Symbol.asyncDispose]());

  test("runs the example on Node exactly as the sources run it on Bun", async () => {
    const onNode = await run(node, [programs().example, executable, programs().model]);
    const onBun = await run(process.execPath, [join(root, "examples", "llama-server.ts"), executable, programs().model], { cwd: root });
    expect(onNode.stdout).toBe(onBun.stdout);
    expect(onNode.stdout).toContain(`example says: ${TINY_SENTENCE}\n${TINY_SENTENCE} (in `);
    expect(onNode.stdout).toContain("state: stopped, exit code 0");
    expect(onNode.stdout).toContain("Die Modelldatei existiert nicht: $HF_HOME/hub/model.gguf.");
  });

  test("brings engines on Node and on Bun", async () => {
    await using server = await ReleaseServer.start();
    const zip = makeZip([{ path: "llama-server", text: "an engine" }]);
    server.publish("BodhiSearch/llama.cpp", "server-1", { "llama-server--aarch64-apple-darwin--metal.zip": zip });
    const archive = join(folder.path, "some.zip");
    await writeFile(archive, zip);
    for (const program of [node, process.execPath]) {
      const binDir = join(folder.path, program === node ? "bin-node" : "bin-bun");
      const { stdout } = await run(program, [programs().provisioning, server.url, binDir, archive], { cwd: folder.path });
      expect(stdout).toBe("server-1 true\nan engine true\nllama-server true\n");
    }
  });

  test("has test utilities that work on Node and on Bun", async () => {
    const expected = "fake\none two three\none\n two\nreqwest_error failed SIGKILL\n";
    expect((await run(node, [programs().fakes])).stdout).toBe(expected);
    expect((await run(process.execPath, [programs().fakes], { cwd: folder.path })).stdout).toBe(expected);
  });
});
