import { mkdir, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { COMMIT, createCatalogFixture, ggufBytes } from "../../src/catalog/catalog-fixture.ts";
import { flattenImage, writeGguf } from "../../src/model/gguf/index.ts";
import { blobPath, refPath, snapshotPath } from "../../src/model/index.ts";
import { BUDGETS } from "../budgets.ts";
import type { LoadWatch } from "../machine.ts";
import type { ModelRow } from "../result.ts";
import { summarize } from "../summary.ts";
import { makeFolder } from "../targets/child.ts";
import { LEMONADE, startLemonade } from "../targets/lemonade.ts";

const REGISTERED = 10_000;
const CACHED = 5000;
const WARM_REQUESTS = 5;
/** So many entries of a vocabulary are half a megabyte of metadata. */
const TOKENS = 32_000;

/** How long a list of very many models takes, over HTTP and as a command, and how long the header of a file. */
export async function measureCatalog({ runs, load }: { runs: number; load: LoadWatch }): Promise<ModelRow[]> {
  const folder = await makeFolder("catalog");
  try {
    const env = await writeModels(folder.path);
    const [cold, warm, through, alone, header]: number[][] = [[], [], [], [], []];
    for (let run = 0; run < runs; run++) {
      await load.quiet();
      {
        await using server = await startLemonade(LEMONADE, env);
        cold?.push(await listMs(server.baseUrl));
        for (let request = 0; request < WARM_REQUESTS; request++) warm?.push(await listMs(server.baseUrl));
        through?.push(await commandMs({ ...env, LEMONADE_CACHE_DIR: server.cacheDir }));
      }
      alone?.push(await commandMs({ ...env, LEMONADE_CACHE_DIR: join(folder.path, "alone") }));
      header?.push(await headerMs());
    }
    const what = `${REGISTERED / 1000},000 registered and ${CACHED / 1000},000 further cached models`;
    const row = (name: string, samples: readonly number[] = [], budget: ModelRow["budget"] = BUDGETS.listMs): ModelRow => ({
      what: name,
      unit: "ms",
      of: { lemonade: summarize(samples) },
      budget,
    });
    return [
      row(`\`GET /api/v1/models?show_all=true\`, ${what}`, warm),
      row("the same, first answer of a fresh server", cold),
      row("`lemonade list --all` of the same, through the server", through),
      row("`lemonade list --all` of the same, without a server", alone),
      row(`header of a GGUF file with 0.5 MB of metadata, first one of a process`, header, BUDGETS.headerMs),
    ];
  } finally {
    folder.remove();
  }
}

async function listMs(baseUrl: string): Promise<number> {
  const startedMs = performance.now();
  const text = await (await fetch(`${baseUrl}/api/v1/models?show_all=true`)).text();
  const elapsedMs = performance.now() - startedMs;
  if (text.split('"id":').length - 1 < REGISTERED + CACHED) throw new Error("The list is not complete");
  return elapsedMs;
}

async function commandMs(env: Readonly<Record<string, string>>): Promise<number> {
  const startedMs = performance.now();
  const child = Bun.spawn([LEMONADE, "list", "--all"], { env: { ...process.env, ...env }, stdin: "ignore", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  const elapsedMs = performance.now() - startedMs;
  if (text.split("\n").length < REGISTERED + CACHED) throw new Error("The table is not complete");
  return elapsedMs;
}

async function headerMs(): Promise<number> {
  const image = writeGguf({
    metadata: {
      "general.architecture": { type: "string", value: "llama" },
      "llama.block_count": { type: "u32", value: 1 },
      "tokenizer.ggml.tokens": { type: "string[]", value: Array.from({ length: TOKENS }, (_none, i) => `token-${i}`) },
    },
    tensors: [{ name: "token_embd.weight", shape: [32, 2], type: "f16" }],
  });
  await using fixture = await createCatalogFixture();
  const path = join(fixture.models, "large-header.gguf");
  await Bun.write(path, flattenImage(image));
  // A process of its own: the second header is read by code that has been compiled.
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "read-header-once.ts"), path], { stderr: "inherit" });
  return Number(await new Response(child.stdout).text());
}

async function writeModels(folder: string): Promise<Readonly<Record<string, string>>> {
  const registered = Array.from({ length: REGISTERED }, (_none, i) => [
    `Model-${i}-GGUF`,
    { checkpoint: `bench/model-${i}-GGUF:Q4_0`, recipe: "llamacpp", suggested: i % 10 === 0, labels: ["reasoning"], size: 4.2 },
  ]);
  const registry = join(folder, "registry.json");
  await Bun.write(registry, JSON.stringify(Object.fromEntries(registered)));
  const hub = join(folder, "hub");
  const bytes = ggufBytes();
  for (let i = 0; i < CACHED; i++) {
    const repo = `others/cached-${i}-GGUF`;
    const [blob, entry] = [join(hub, blobPath(repo, "a".repeat(64))), join(hub, snapshotPath(repo, COMMIT, `cached-${i}-Q4_0.gguf`))];
    await Bun.write(blob, bytes);
    await Bun.write(join(hub, refPath(repo, "main")), COMMIT);
    await mkdir(dirname(entry), { recursive: true });
    await symlink(relative(dirname(entry), blob), entry);
  }
  return { LEMONADE_REGISTRY: registry, HF_HUB_CACHE: hub, LEMONADE_OFFLINE: "1" };
}
