import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { flattenImage, writeGguf, type GgufValue } from "../model/gguf/index.ts";
import { blobPath, refPath, snapshotPath } from "../model/index.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";
import { createCatalog } from "./create-catalog.ts";

/** What a file of a test holds: GGUF content by its metadata, or any other text or bytes. */
export type FileContent = Readonly<Record<string, GgufValue>> | string | Uint8Array;

/** The smallest real model file: a header and one tensor. */
export function ggufBytes(metadata: Readonly<Record<string, GgufValue>> = {}): Uint8Array {
  const architecture: GgufValue = { type: "string", value: "llama" };
  return flattenImage(
    writeGguf({
      metadata: { "general.architecture": architecture, ...metadata },
      tensors: [{ name: "token_embd.weight", shape: [32, 2], type: "f16" }],
    }),
  );
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** A catalog in a folder of its own, for tests. */
export interface CatalogFixture extends AsyncDisposable {
  readonly catalog: Catalog;
  readonly root: string;
  /** The folder given as `--models-dir`. */
  readonly models: string;
  readonly hub: string;
  readonly cacheDir: string;
  readonly warnings: readonly string[];
  /** Writes files into the models folder. */
  addModels(files: Readonly<Record<string, FileContent>>): Promise<void>;
  /** Writes files into the Hugging Face cache as its library does: blobs, links in a snapshot, and the branch. */
  addToHub(repo: string, files: Readonly<Record<string, FileContent>>, options?: { commit?: string }): Promise<void>;
  writeUserModels(content: unknown): Promise<void>;
}

export async function createCatalogFixture(options: Partial<CatalogOptions> & { registry?: unknown } = {}): Promise<CatalogFixture> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "lemon-catalog-")));
  const [models, hub, cacheDir] = ["models-dir", "hub", "cache"].map((name) => join(root, name)) as [string, string, string];
  for (const folder of [models, hub, cacheDir]) await mkdir(folder);
  const { registry = {}, ...rest } = options;
  const registryFile = join(root, "server_models.json");
  await writeFile(registryFile, JSON.stringify(registry));
  const warnings: string[] = [];
  const catalog = createCatalog({
    cacheDir,
    hubCacheDir: hub,
    modelsDirs: [models],
    registryFile,
    warn: (message) => void warnings.push(message),
    ...rest,
  });
  const write = async (path: string, content: FileContent): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    const isRaw = typeof content === "string" || content instanceof Uint8Array;
    await writeFile(path, isRaw ? content : ggufBytes(content));
  };
  return {
    catalog,
    root,
    models,
    hub,
    cacheDir,
    warnings,
    async addModels(files) {
      for (const [name, content] of Object.entries(files)) await write(join(models, name), content);
    },
    async addToHub(repo, files, { commit = COMMIT } = {}) {
      await write(join(hub, refPath(repo, "main")), commit);
      for (const [name, content] of Object.entries(files)) {
        const blob = join(hub, blobPath(repo, `${commit.slice(0, 8)}-${name.replaceAll("/", "-")}`));
        const entry = join(hub, snapshotPath(repo, commit, name));
        await write(blob, content);
        await mkdir(dirname(entry), { recursive: true });
        await symlink(relative(dirname(entry), blob), entry);
      }
    },
    async writeUserModels(content) {
      await writeFile(join(cacheDir, "user_models.json"), typeof content === "string" ? content : JSON.stringify(content));
    },
    async [Symbol.asyncDispose]() {
      await catalog[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
