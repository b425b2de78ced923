import { expect, test } from "bun:test";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ErrorCode } from "../errors.ts";
import { createCatalogFixture, ggufBytes, type CatalogFixture } from "./catalog-fixture.ts";
import { beginUpload, deleteUpload, type LocalUpload } from "./index.ts";
import { uploadFolder, uploadPath } from "./uploaded-model.ts";

const never = new AbortController().signal;
const begin = async ({ catalog, hub }: CatalogFixture) => await beginUpload({ catalog, hubCacheDir: hub });

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
}

async function add(upload: LocalUpload, files: readonly string[]): Promise<void> {
  for (const path of files) await upload.addFile(path, inPieces(path.endsWith(".gguf") ? ggufBytes() : Buffer.from("{}")));
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "none"> {
  return await promise.then(
    () => "none" as const,
    (error: unknown) => (error as { code: ErrorCode }).code,
  );
}

test("uploaded files become a model that is listed and found, as Lemonade registers it", async () => {
  await using fixture = await createCatalogFixture();
  await using upload = await begin(fixture);
  await add(upload, ["Mine/sub/mmproj-F16.gguf", "Mine/b-Q8_0.gguf", "Mine/b-Q4_0.gguf", "Mine/readme.md"]);
  const entry = await upload.finish(
    { model: "user.Mine", recipe: "llamacpp", variant: "Q8_0", mmproj: "mmproj-F16.gguf", vision: true },
    { signal: never },
  );
  expect(entry).toMatchObject({
    id: "user.Mine",
    checkpoint: "models--Mine/b-Q8_0.gguf",
    labels: ["custom", "vision"],
    isDownloaded: true,
  });
  const models = JSON.parse(await readFile(join(fixture.cacheDir, "user_models.json"), "utf8")) as unknown;
  expect(models).toEqual({
    Mine: {
      checkpoint: "models--Mine/b-Q8_0.gguf",
      recipe: "llamacpp",
      suggested: true,
      labels: ["custom", "vision"],
      mmproj: "models--Mine/sub/mmproj-F16.gguf",
      source: "local_upload",
    },
  });
  const found = await fixture.catalog.find("user.Mine");
  expect(found && (await fixture.catalog.locate(found))).toEqual({
    model: join(fixture.hub, "models--Mine", "b-Q8_0.gguf"),
    mmproj: join(fixture.hub, "models--Mine", "sub", "mmproj-F16.gguf"),
  });
  await upload[Symbol.asyncDispose]();
  expect(await readdir(fixture.hub)).toEqual(["models--Mine"]);
});

test("without a variant the first model counts; all shards must be there; a vision model finds its projector", async () => {
  await using fixture = await createCatalogFixture();
  await using first = await begin(fixture);
  await add(first, ["d/z.gguf", "d/a-00002-of-00002.gguf", "d/a-00001-of-00002.gguf", "d/mmproj.gguf"]);
  expect(await first.finish({ model: "user.org/Split", recipe: "llamacpp", vision: true }, { signal: never })).toMatchObject({
    checkpoint: "models--org--Split/a-00001-of-00002.gguf",
    mmproj: "models--org--Split/mmproj.gguf",
  });
  await using second = await begin(fixture);
  await add(second, ["d/a-00002-of-00003.gguf", "d/a-00001-of-00003.gguf"]);
  const refusal: unknown = await second
    .finish({ model: "user.Half", recipe: "llamacpp" }, { signal: never })
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "INVALID_REQUEST", message: expect.stringContaining("a-00003-of-00003.gguf") });
});

test("a model of ONNX Runtime GenAI is known by its folder", async () => {
  await using fixture = await createCatalogFixture();
  await using upload = await begin(fixture);
  await add(upload, ["d/int4/genai_config.json", "d/int4/model.onnx"]);
  expect(await upload.finish({ model: "user.Onnx", recipe: "oga-cpu" }, { signal: never })).toMatchObject({
    checkpoint: "models--Onnx/int4",
    recipe: "oga-cpu",
  });
});

test("what cannot be finished leaves nothing behind", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.writeUserModels({ Taken: { checkpoint: "o/r:Q4_0", recipe: "llamacpp" } });
  await mkdir(join(fixture.hub, "models--o--r"));
  const cases: readonly [ErrorCode, readonly string[], Parameters<LocalUpload["finish"]>[0]][] = [
    ["INVALID_REQUEST", [], { model: "user.New", recipe: "llamacpp" }],
    ["INVALID_REQUEST", ["d/readme.md"], { model: "user.New", recipe: "llamacpp" }],
    ["INVALID_REQUEST", ["d/mmproj.gguf"], { model: "user.New", recipe: "llamacpp" }],
    ["INVALID_REQUEST", ["d/a.gguf"], { model: "New", recipe: "llamacpp" }],
    ["INVALID_REQUEST", ["d/a.gguf"], { model: "user.", recipe: "llamacpp" }],
    ["INVALID_REQUEST", ["d/a.gguf"], { model: "user.New", recipe: "flm" }],
    ["INVALID_REQUEST", ["d/a.gguf"], { model: "user.New", recipe: "oga-npu" }],
    ["INVALID_REQUEST", ["d/a.gguf"], { model: "user.New", recipe: "llamacpp", mmproj: "../mmproj.gguf" }],
    ["VARIANT_NOT_FOUND", ["d/a.gguf"], { model: "user.New", recipe: "llamacpp", variant: "Q5_K_M" }],
    ["MODEL_ALREADY_REGISTERED", ["d/a.gguf"], { model: "user.Taken", recipe: "llamacpp" }],
    ["MODEL_ALREADY_REGISTERED", ["d/a.gguf"], { model: "user.o/r", recipe: "llamacpp" }],
  ];
  for (const [code, files, request] of cases) {
    await using upload = await begin(fixture);
    await add(upload, files);
    expect(`${await codeOf(upload.finish(request, { signal: never }))} ${request.model}`).toBe(`${code} ${request.model}`);
  }
  await using damaged = await begin(fixture);
  await damaged.addFile("d/a.gguf", inPieces(Buffer.from("no model at all, though its name says so")));
  expect(await codeOf(damaged.finish({ model: "user.New", recipe: "llamacpp" }, { signal: never }))).toBe("NOT_A_GGUF");
  await damaged[Symbol.asyncDispose]();
  expect(await readdir(fixture.hub)).toEqual(["models--o--r"]);
  expect(await fixture.catalog.find("user.New")).toBeUndefined();
});

test("of two uploads of one name one wins, and the same file twice is refused", async () => {
  await using fixture = await createCatalogFixture();
  const uploads = await Promise.all([begin(fixture), begin(fixture)]);
  for (const upload of uploads) await add(upload, ["d/a.gguf"]);
  expect(await codeOf(add(uploads[0], ["other/a.gguf"]))).toBe("INVALID_REQUEST");
  const request = { model: "user.Race", recipe: "llamacpp" };
  const codes = await Promise.all(uploads.map(async (upload) => await codeOf(upload.finish(request, { signal: never }))));
  expect(codes.toSorted()).toEqual(["MODEL_ALREADY_REGISTERED", "none"]);
  for (const upload of uploads) await upload[Symbol.asyncDispose]();
  expect(await readdir(fixture.hub)).toEqual(["models--Race"]);
});

test("a content that breaks off leaves nothing, and more than the disk holds is refused at once", async () => {
  await using fixture = await createCatalogFixture();
  {
    await using upload = await begin(fixture);
    const broken = async function* () {
      yield ggufBytes();
      throw new Error("the client has left");
    };
    const failure: unknown = await upload.addFile("d/a.gguf", broken()).catch((error: unknown) => error);
    expect(failure).toHaveProperty("message", "the client has left");
  }
  const { catalog, hub: hubCacheDir } = fixture;
  expect(await codeOf(beginUpload({ catalog, hubCacheDir, expectedBytes: 1e18 }))).toBe("DISK_FULL");
  expect(await readdir(hubCacheDir)).toEqual([]);
});

test("what a killed server left of an upload goes with a later one, not what grows at the moment", async () => {
  await using fixture = await createCatalogFixture();
  const [old, fresh] = [".lemonade-upload-old", ".lemonade-upload-fresh"].map((name) => join(fixture.hub, name)) as [string, string];
  for (const folder of [old, fresh]) {
    await mkdir(folder);
    await writeFile(join(folder, "a.gguf"), "half");
  }
  await utimes(old, 0, 0);
  await using _upload = await begin(fixture);
  expect(await stat(old).catch(() => "gone")).toBe("gone");
  expect(await readdir(fresh)).toEqual(["a.gguf"]);
});

test("paths of uploaded files stay inside their folder, on every system", () => {
  expect(uploadPath("Folder/sub/file.gguf")).toBe("sub/file.gguf");
  expect(uploadPath("file.gguf")).toBe("file.gguf");
  const wrong = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a/../../b",
    "..\\a",
    "a\\..\\b",
    "a/./b",
    "a//b",
    "a/",
    "C:/a",
    "a/C:b",
    "a/b\0c",
    "a/b\n",
    "a/con",
    "a/NUL.gguf",
    "a/b.",
    "a/b ",
    `a/${"x".repeat(256)}`,
    "a/".repeat(20),
    "a/b*",
    "a/b?",
    'a/"b',
  ];
  for (const path of wrong) expect(() => uploadPath(path)).toThrow("cannot be the path");
});

test("names of uploaded models are plain", () => {
  expect(uploadFolder("user.Zitröne 7B (v1.2)")).toBe("models--Zitröne 7B (v1.2)");
  expect(uploadFolder("user.org/Model")).toBe("models--org--Model");
  const wrong = [
    "Model",
    "user.",
    "user",
    "USER.x",
    "user./x",
    "user.x/",
    "user.../x",
    "user.a/../b",
    "user.a\\b",
    "user.a\0",
    "user. x",
    "user.x.",
    "user.a:b",
    `user.${"x".repeat(200)}`,
  ];
  for (const name of wrong) expect(() => uploadFolder(name)).toThrow();
});

test("an uploaded model is deleted with its folder, but never with the folder of another model", async () => {
  await using fixture = await createCatalogFixture();
  const { catalog, hub: hubCacheDir } = fixture;
  await using upload = await begin(fixture);
  await add(upload, ["d/a.gguf"]);
  const entry = await upload.finish({ model: "user.Mine", recipe: "llamacpp" }, { signal: never });
  expect(await deleteUpload(entry, { hubCacheDir, catalog, signal: never })).toEqual({ freedBytes: ggufBytes().length });
  expect(await readdir(hubCacheDir)).toEqual([]);
  await fixture.addToHub("o/r", { "b.gguf": {} });
  await fixture.writeUserModels({
    Sly: { checkpoint: "models--o--r/blobs", recipe: "llamacpp" },
    Hub: { checkpoint: "o/r:b.gguf", recipe: "llamacpp" },
  });
  const [sly, onHub] = await Promise.all([catalog.find("user.Sly"), catalog.find("user.Hub")]);
  expect(sly && (await deleteUpload(sly, { hubCacheDir, catalog, signal: never }))).toEqual({ freedBytes: 0 });
  expect(onHub && (await deleteUpload(onHub, { hubCacheDir, catalog, signal: never }))).toBeUndefined();
  expect(await readdir(hubCacheDir)).toEqual(["models--o--r"]);
  expect(await catalog.find("user.Sly")).toBeUndefined();
});
