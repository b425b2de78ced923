import type { FoundRepo, Variant } from "../../client/index.ts";
import { EXIT } from "../exit-codes.ts";
import { formatBytes, formatCount } from "../format.ts";
import { openServer } from "../open-server.ts";
import { formatTable } from "../table.ts";

/** Searches the hub for GGUF repositories; `org/repo` lists what that repository offers. */
export async function search(query: string, { json = false }: { json?: boolean | undefined }): Promise<number> {
  await using server = await openServer();
  if (/^[\w.-]+\/[\w.-]+$/.test(query)) {
    const variants = await server.client.variants(query);
    console.log(json ? JSON.stringify(variants, undefined, 2) : variantTable(query, variants));
  } else {
    const repos = await server.client.search(query);
    console.log(json ? JSON.stringify(repos, undefined, 2) : repoTable(query, repos));
  }
  return EXIT.success;
}

function variantTable(repo: string, variants: readonly Variant[]): string {
  if (variants.length === 0) return `${repo} holds no GGUF files.`;
  const rows = variants.map(({ variant, size, files }) => [`${repo}:${variant}`, formatBytes(size), String(files.length)]);
  const table = formatTable(["Variant", "Size", "Files"], rows, { maxWidth: process.stdout.columns });
  return `${table}\n\nFetch one: lemonade pull ${repo}:${variants[0]?.variant}`;
}

function repoTable(query: string, repos: readonly FoundRepo[]): string {
  if (repos.length === 0) return `No GGUF repository matches ${JSON.stringify(query)}.`;
  const rows = repos.map(({ repo, gated, downloads, likes, last_modified: updated }) => [
    gated ? `${repo} (gated)` : repo,
    formatCount(downloads),
    formatCount(likes),
    updated?.slice(0, 10) ?? "-",
  ]);
  const table = formatTable(["Repository", "Downloads", "Likes", "Updated"], rows, { maxWidth: process.stdout.columns });
  return `${table}\n\nWhat a repository offers: lemonade search ${repos[0]?.repo}`;
}
