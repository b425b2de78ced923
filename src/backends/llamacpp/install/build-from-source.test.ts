import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../../../errors.ts";
import type { InstallFailedError, InstallProgress } from "../../install/index.ts";
import { buildLlamaCppFromSource, type BuildFromSourceOptions } from "./build-from-source.ts";
import { findBuildTools } from "./build-tools.ts";

// The real git, CMake and compiler on a project of two files with llama.cpp's target name and output folder.
const CMAKE_LISTS = `
cmake_minimum_required(VERSION 3.14)
project(small CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY \${CMAKE_BINARY_DIR}/bin)
add_library(first STATIC first.cpp)
add_executable(llama-server server.cpp)
target_link_libraries(llama-server first)
`;
const SERVER = (version: string): string => `
#include <cstdio>
int first();
int main() { std::fprintf(stderr, "log line\\nversion: ${version} (build %d, commit abc)\\nbuilt with love\\n", first()); return 0; }
`;

const hasTools = await findBuildTools().then(
  () => true,
  () => false,
);
const withTools = test.skipIf(!hasTools);
const COMPILE_TIMEOUT_MS = 60_000;

let root = "";
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), "build-from-source-"))));
afterAll(async () => await rm(root, { recursive: true }));

async function makeBundle(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const repository = join(root, `${name}-repository`);
  const bundle = join(root, `${name}.bundle`);
  await rm(repository, { recursive: true, force: true });
  await mkdir(repository);
  await Promise.all(Object.entries(files).map(([path, text]) => writeFile(join(repository, path), text)));
  const git = (...args: string[]): void =>
    void execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@example.org", ...args], { cwd: repository, stdio: "ignore" });
  git("init");
  git("add", ".");
  git("commit", "--message", "source");
  git("bundle", "create", bundle, "HEAD");
  return bundle;
}

const goodSource = (version: string): Record<string, string> => ({
  "CMakeLists.txt": CMAKE_LISTS,
  "first.cpp": "int first() { return 7; }",
  "server.cpp": SERVER(version),
});

function optionsFor(name: string, bundlePath: string, tag: string): BuildFromSourceOptions {
  return { bundlePath, tag, destination: join(root, name, "bin", "from-source"), buildRoot: join(root, name, "build"), jobs: 2 };
}

withTools(
  "a bundle becomes a program with its markers, and the build folder goes",
  async () => {
    const seen: InstallProgress[] = [];
    const options = optionsFor("plain", await makeBundle("plain", goodSource("1.0.0")), "v1");
    const result = await buildLlamaCppFromSource({ ...options, onProgress: (progress) => seen.push(progress) });
    expect(result).toMatchObject({ tag: "v1", version: "1.0.0 (build 7, commit abc)" });
    expect(execFileSync(result.executable, { stdio: "pipe" }).toString()).toBe("");
    expect(await readFile(join(options.destination, "version.txt"), "utf8")).toBe("v1");
    expect(await readFile(join(options.destination, "backend.txt"), "utf8")).toBe("from-source");
    expect(await readdir(options.buildRoot)).toEqual(["processes"]);
    expect(await readdir(join(options.destination, ".."))).toEqual(["from-source"]);
    const stages = [...new Set(seen.map(({ stage }) => stage))];
    expect(stages).toEqual(["unpacking", "configuring", "compiling", "checking", "finishing"]);
    expect(seen.findLast(({ stage }) => stage === "compiling")?.fraction).toBe(1);
  },
  COMPILE_TIMEOUT_MS,
);

withTools(
  "two builders at once build once, and an installed tag is not built again",
  async () => {
    const options = optionsFor("twice", await makeBundle("twice", goodSource("1.0.0")), "v1");
    const compiled: string[] = [];
    const build = (name: string) =>
      buildLlamaCppFromSource({ ...options, onProgress: ({ stage }) => void (stage === "configuring" && compiled.push(name)) });
    const [one, other] = await Promise.all([build("one"), build("other")]);
    expect(one).toEqual(other);
    await build("later");
    expect(compiled).toHaveLength(1);
    await writeFile(one.executable, "no longer a program");
    await build("repair");
    expect(compiled).toHaveLength(2);
  },
  COMPILE_TIMEOUT_MS,
);

withTools(
  "an interrupted build goes on where it was",
  async () => {
    const options = optionsFor("resume", await makeBundle("resume", goodSource("1.0.0")), "v1");
    const controller = new AbortController();
    const firstTry = buildLlamaCppFromSource({
      ...options,
      jobs: 1,
      signal: controller.signal,
      onProgress: ({ stage, fraction }) => {
        if (stage === "compiling" && fraction !== undefined && fraction > 0) controller.abort(new Error("interrupted"));
      },
    });
    expect(await firstTry.catch(errorMessage)).toContain("interrupted");
    const [kept] = (await readdir(options.buildRoot)).filter((name) => name.startsWith("llama.cpp-v1-"));
    expect(kept).toBeDefined();
    const stages: string[] = [];
    await buildLlamaCppFromSource({ ...options, onProgress: ({ stage }) => stages.push(stage) });
    // The source is unpacked already.
    expect(stages).not.toContain("unpacking");
    expect(await readdir(options.buildRoot)).toEqual(["processes"]);
  },
  COMPILE_TIMEOUT_MS,
);

withTools(
  "a compiler error carries the last lines and leaves the installed build alone",
  async () => {
    const options = optionsFor("broken", await makeBundle("good", goodSource("1.0.0")), "v1");
    await buildLlamaCppFromSource(options);
    const source = { ...goodSource("2.0.0"), "server.cpp": "int main() { return not_declared_anywhere; }" };
    const broken = { ...options, bundlePath: await makeBundle("broken", source), tag: "v2" };
    const error = await buildLlamaCppFromSource(broken).catch((caught: unknown) => caught as InstallFailedError);
    expect(error).toHaveProperty("code", "INSTALL_FAILED");
    expect((error as InstallFailedError).logTail.join("\n")).toContain("not_declared_anywhere");
    expect(await readFile(join(options.destination, "version.txt"), "utf8")).toBe("v1");
  },
  COMPILE_TIMEOUT_MS,
);

withTools(
  "a program that does not start is not installed",
  async () => {
    const options = optionsFor("crash", await makeBundle("good-again", goodSource("1.0.0")), "v1");
    await buildLlamaCppFromSource(options);
    const source = { ...goodSource("2.0.0"), "server.cpp": "#include <cstdlib>\nint main() { std::abort(); }" };
    const crashing = { ...options, bundlePath: await makeBundle("crash", source), tag: "v2" };
    expect(await buildLlamaCppFromSource(crashing).catch(errorMessage)).toContain("does not start");
    expect(await readFile(join(options.destination, "version.txt"), "utf8")).toBe("v1");
  },
  COMPILE_TIMEOUT_MS,
);

test("a missing bundle is named", async () => {
  const error: unknown = await buildLlamaCppFromSource(optionsFor("none", join(root, "none.bundle"), "v1")).catch(
    (caught: unknown) => caught,
  );
  expect(error).toHaveProperty("code", "INSTALL_FAILED");
});
