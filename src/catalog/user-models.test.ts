import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acquireFileLock } from "../platform/index.ts";
import { UserModels } from "./user-models.ts";

interface Fixture extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
  readonly models: UserModels;
  readonly warnings: string[];
}

async function createFixture(): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "lemon-user-models-"));
  const warnings: string[] = [];
  return {
    folder,
    path: join(folder, "user_models.json"),
    models: new UserModels(folder, (message) => void warnings.push(message)),
    warnings,
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}

const FIELDS = { checkpoint: "o/r:Q4_0", recipe: "llamacpp" };
const names = async (path: string): Promise<string[]> => Object.keys(JSON.parse(await readFile(path, "utf8")) as object).toSorted();

test("a corrupt file counts as empty with one warning, and is never overwritten", async () => {
  await using fixture = await createFixture();
  await writeFile(fixture.path, '{"Mine": {');
  expect((await fixture.models.load()).size).toBe(0);
  expect((await fixture.models.load()).size).toBe(0);
  expect(fixture.warnings).toHaveLength(1);
  expect(fixture.warnings[0]).toContain("user_models.json is not valid JSON");
  const refusal: unknown = await fixture.models.set("user.New", FIELDS).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "CONFIG_INVALID" });
  expect(await readFile(fixture.path, "utf8")).toBe('{"Mine": {');
});

test("an absent or empty file is no models, and the first one makes it", async () => {
  await using fixture = await createFixture();
  expect((await fixture.models.load()).size).toBe(0);
  await fixture.models.set("user.A", FIELDS);
  expect([...(await fixture.models.load()).keys()]).toEqual(["user.A"]);
  await writeFile(fixture.path, "");
  expect((await fixture.models.load()).size).toBe(0);
});

test("removing what is not there leaves the file alone", async () => {
  await using fixture = await createFixture();
  await writeFile(fixture.path, '{"A":{"checkpoint":"o/r","recipe":"llamacpp"}}');
  expect(await fixture.models.remove("user.B")).toBe(false);
  expect(await readFile(fixture.path, "utf8")).toBe('{"A":{"checkpoint":"o/r","recipe":"llamacpp"}}');
});

test("changes made at once, in one process and in several, all arrive", async () => {
  await using fixture = await createFixture();
  const script = `import { UserModels } from ${JSON.stringify(join(import.meta.dir, "user-models.ts"))};
    const models = new UserModels(${JSON.stringify(fixture.folder)}, () => {});
    await Promise.all([0, 1, 2, 3].map((i) => models.set("user." + process.argv.at(-1) + i, ${JSON.stringify(FIELDS)})));`;
  const children = ["x", "y"].map((name) => spawn(process.execPath, ["-e", script, name], { stdio: ["ignore", "ignore", "inherit"] }));
  const exits = children.map(async (child) => await once(child, "exit"));
  await Promise.all([0, 1, 2, 3].map(async (i) => await fixture.models.set(`user.z${i}`, FIELDS)));
  expect((await Promise.all(exits)).map(([code]) => Number(code))).toEqual([0, 0]);
  expect(await names(fixture.path)).toEqual(["x", "y", "z"].flatMap((name) => [0, 1, 2, 3].map((i) => `${name}${i}`)));
  expect(await readdir(fixture.folder)).toEqual(["user_models.json"]);
});

test("waiting for a lock ends with the caller's reason, and a failed change gives the lock back", async () => {
  await using fixture = await createFixture();
  const caller = new AbortController();
  const reason = new Error("the client left");
  const held = await acquireFileLock(`${fixture.path}.lock`);
  const waiting = fixture.models.set("user.A", FIELDS, { signal: caller.signal });
  caller.abort(reason);
  expect(await waiting.catch((error: unknown) => error)).toBe(reason);
  await held[Symbol.asyncDispose]();
  await writeFile(fixture.path, "no JSON");
  expect(await fixture.models.set("user.A", FIELDS).catch((error: unknown) => error)).toHaveProperty("code", "CONFIG_INVALID");
  await rm(fixture.path);
  await fixture.models.set("user.A", FIELDS);
  expect(await names(fixture.path)).toEqual(["A"]);
});
