// Moves the pinned release of llama.cpp: looks the tag up, checks that every build of the table is published, takes over the current
// toolkit versions and records the digests. Writes nothing when a file is missing.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { ReleaseHost, type PublishedAsset } from "../src/backends/install/index.ts";
import { ReleaseTable, type ReleaseBuild } from "../src/backends/llamacpp/install/release-table.ts";

const USAGE = `bin/bun scripts/bump-llamacpp.ts TAG [--source llama.cpp|llamacpp-rocm] [--table FILE] [--mirror URL]

Sets TAG as the pinned release of a source (llama.cpp when none is named). GITHUB_TOKEN raises the limit of the API.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    source: { type: "string", default: "llama.cpp" },
    table: { type: "string", default: fileURLToPath(new URL("../src/backends/llamacpp/install/releases.json", import.meta.url)) },
    mirror: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const [tag, ...rest] = positionals;
if (tag === undefined || rest.length > 0 || values.help) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
const table = v.parse(ReleaseTable, JSON.parse(await readFile(values.table, "utf8")));
const source = table.sources[values.source];
if (source === undefined) fail(`There is no source ${values.source}; there are ${Object.keys(table.sources).join(", ")}`);
const host = new ReleaseHost({ mirrorUrl: values.mirror, githubToken: process.env["GITHUB_TOKEN"] });
const published = await host.listAssets(source.repository, tag).catch((error: unknown) => fail(String(error)));
if (published === undefined) fail(`There is no release ${tag} of ${source.repository}`);
const bumped = bump(table, { name: values.source, oldTag: source.tag, tag, published });
await writeFile(values.table, `${JSON.stringify(bumped, null, 2)}\n`);
console.log(`${values.source}: ${source.tag} → ${tag}, ${Object.keys(bumped.sha256).length} digests; run \`npm run format\``);

interface Bump {
  readonly name: string;
  readonly oldTag: string;
  readonly tag: string;
  readonly published: readonly PublishedAsset[];
}

function bump(old: ReleaseTable, { name, oldTag, tag, published }: Bump): ReleaseTable {
  const sha256 = Object.fromEntries(Object.entries(old.sha256).filter(([key]) => !key.startsWith(`${oldTag}/`)));
  const missing: string[] = [];
  const builds = old.builds.map((build): ReleaseBuild => {
    if (build.source !== name) return build;
    const toolkit = build.toolkit === undefined ? undefined : newestToolkit(build.asset, build.toolkit, tag, published);
    for (const template of [build.asset, build.runtime].filter((one) => one !== undefined)) {
      const matches = assetsOf(template, tag, toolkit ?? build.toolkit ?? "", published);
      if (matches.length === 0) missing.push(template.replace("{tag}", tag));
      for (const asset of matches) if (asset.sha256 !== undefined) sha256[`${tag}/${asset.name}`] = asset.sha256;
    }
    return toolkit === undefined ? build : { ...build, toolkit };
  });
  if (missing.length > 0) fail(`Release ${tag} lacks ${missing.join(", ")}\nIt has ${published.map((asset) => asset.name).join(", ")}`);
  const sources = Object.fromEntries(Object.entries(old.sources).map(([key, value]) => [key, key === name ? { ...value, tag } : value]));
  return { ...old, sources, builds, sha256: Object.fromEntries(Object.entries(sha256).toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

/** Every published file of a template: several for one that names a family of GPUs. */
function assetsOf(template: string, tag: string, toolkit: string, published: readonly PublishedAsset[]): readonly PublishedAsset[] {
  const [before = "", after] = template.replaceAll("{tag}", tag).replaceAll("{toolkit}", toolkit).split("{gfx}");
  if (after === undefined) return published.filter((asset) => asset.name === before);
  return published.filter((asset) => asset.name.startsWith(`${before}gfx`) && asset.name.endsWith(after));
}

/** The newest minor version within the major one: drivers of one major version run them all. */
function newestToolkit(template: string, old: string, tag: string, published: readonly PublishedAsset[]): string {
  const major = Number.parseInt(old, 10);
  const [before = "", after = ""] = template.replaceAll("{tag}", tag).split("{toolkit}");
  const found = published
    .filter((asset) => asset.name.startsWith(before) && asset.name.endsWith(after))
    .map((asset) => asset.name.slice(before.length, asset.name.length - after.length))
    .filter((version) => /^\d+\.\d+$/.test(version) && Number.parseInt(version, 10) === major);
  return found.toSorted((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1])).at(-1) ?? old;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
