import { expect, test } from "bun:test";
import { mkdir, rm, utimes, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { COMMIT, createCatalogFixture, ggufBytes, type CatalogFixture } from "./catalog-fixture.ts";

const OLDER = "1111111111111111111111111111111111111111";
const NEWER = "2222222222222222222222222222222222222222";

const cached = async ({ catalog }: CatalogFixture): Promise<string[]> =>
  (await catalog.list()).filter((entry) => entry.source === "hub-cache").map((entry) => entry.id);

test("GGUF files in the cache are models, named by the shortest checkpoint that selects each", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", {
    "A-Q4_0.gguf": {},
    "A-UD-Q4_K_XL.gguf": {},
    "plain.gguf": {},
    "Q8_0/A-Q8_0-00001-of-00002.gguf": {},
    "Q8_0/A-Q8_0-00002-of-00002.gguf": {},
    "mmproj-F16.gguf": {},
    "imatrix.gguf": {},
    "config.json": "{}",
  });
  await fixture.addToHub("o/onnx", { "model.onnx": "x" });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0", "o/A-GGUF:UD-Q4_K_XL", "o/A-GGUF:Q8_0", "o/A-GGUF:plain.gguf"]);
  const entry = await fixture.catalog.find("o/A-GGUF:Q8_0");
  expect(entry).toMatchObject({ labels: ["vision"], mmproj: "mmproj-F16.gguf", isDownloaded: true, sizeBytes: 3 * ggufBytes().length });
  const inspection = entry && (await fixture.catalog.inspect(entry));
  expect(inspection?.files).toHaveLength(3);
});

test("partial downloads, dangling links and missing shards do not count", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-00001-of-00002.gguf": {}, "B-Q8_0.gguf": {}, "C-Q4_0.gguf": {} });
  const folder = join(fixture.hub, "models--o--A-GGUF");
  await writeFile(join(folder, "blobs", "abc.incomplete"), "GGUF");
  await symlink("../../blobs/gone", join(folder, "snapshots", "0123456789abcdef0123456789abcdef01234567", "D-Q4_0.gguf"));
  // Newer Lemonade lists what it is still writing, under the final name.
  await fixture.addToHub("o/A-GGUF", {
    ".download_manifest.json": JSON.stringify({
      files: [
        { name: "B-Q8_0.gguf", size: 10 ** 9 },
        { name: "C-Q4_0.gguf", size: ggufBytes().length },
      ],
    }),
  });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0"]);
});

test("the commit that main names is used, an older one for what it lacks", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {}, "A-Q8_0.gguf": {} }, { commit: OLDER });
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} }, { commit: NEWER });
  const located = async (id: string): Promise<string | undefined> => {
    const entry = await fixture.catalog.find(id);
    return entry && (await fixture.catalog.locate(entry))?.model;
  };
  expect(await located("o/A-GGUF:Q4_0")).toContain(NEWER);
  expect(await located("o/A-GGUF:Q8_0")).toContain(OLDER);
});

test("folders without a branch are read: one commit, or the one that early ports called main", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} });
  await rm(join(fixture.hub, "models--o--A-GGUF", "refs"), { recursive: true });
  await fixture.addModels({ "../hub/models--o--B-GGUF/snapshots/main/B-Q4_0.gguf": {} });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0", "o/B-GGUF:Q4_0"]);
});

test("what another program downloads or deletes is seen by the next list", async () => {
  await using fixture = await createCatalogFixture();
  expect(await cached(fixture)).toEqual([]);
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0"]);
  await fixture.addToHub("o/A-GGUF", { "sub/A-Q8_0.gguf": {} });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0", "o/A-GGUF:Q8_0"]);
  await fixture.addToHub("o/A-GGUF", { "A-Q2_K.gguf": {} }, { commit: NEWER });
  expect(await cached(fixture)).toContain("o/A-GGUF:Q2_K");
  await rm(join(fixture.hub, "models--o--A-GGUF"), { recursive: true });
  expect(await cached(fixture)).toEqual([]);
});

test("a list that nothing changed is not made again", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} });
  const settled = async (): Promise<unknown> => (await fixture.catalog.list()).find((entry) => entry.source === "hub-cache");
  let before = await settled();
  // Until its time stamps are old enough to be trusted, a repository is read again, and its entries are new objects.
  for (;;) {
    const after = await settled();
    if (after === before) break;
    before = after;
  }
  expect(await settled()).toBe(before);
});

test("things that are no model repositories are passed over", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} });
  await mkdir(join(fixture.hub, ".locks"));
  await mkdir(join(fixture.hub, "datasets--o--d"));
  await mkdir(join(fixture.hub, "models--alone"));
  await writeFile(join(fixture.hub, "models--o--file"), "x");
  await writeFile(join(fixture.hub, "version.txt"), "1");
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0"]);
});

test("a branch that leads out of the cache is not followed", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {} });
  await writeFile(join(fixture.hub, "models--o--A-GGUF", "refs", "main"), "../../../models-dir");
  await fixture.addModels({ "evil-Q4_0.gguf": {} });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0"]);
});

test("a commit that another program adds without moving the branch is seen, and of several variants the first by name is taken", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q8_0.gguf": {}, "A-Q4_0.gguf": {} });
  expect(await fixture.catalog.find("o/A-GGUF")).toMatchObject({ id: "o/A-GGUF:Q4_0" });
  const repository = join(fixture.hub, "models--o--A-GGUF");
  const longAgo = new Date("2024-01-01T00:00:01.5Z");
  for (const path of ["refs/main", "snapshots", `snapshots/${COMMIT}`]) await utimes(join(repository, path), longAgo, longAgo);
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0", "o/A-GGUF:Q8_0"]);
  await fixture.addModels({ [`../hub/models--o--A-GGUF/snapshots/${NEWER}/A-Q2_K.gguf`]: {} });
  expect(await cached(fixture)).toEqual(["o/A-GGUF:Q4_0", "o/A-GGUF:Q8_0", "o/A-GGUF:Q2_K"]);
});
