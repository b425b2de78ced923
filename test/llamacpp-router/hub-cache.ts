import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import type { Workspace } from "../fixtures/index.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Writes the tiny model into the workspace's Hugging Face cache, as `repo` with one file. */
export async function addToHubCache(workspace: Workspace, repo: string, file: string): Promise<void> {
  const folder = join(workspace.folder, "huggingface", "hub", `models--${repo.replaceAll("/", "--")}`);
  await mkdir(join(folder, "refs"), { recursive: true });
  await mkdir(join(folder, "snapshots", COMMIT), { recursive: true });
  await writeFile(join(folder, "refs", "main"), COMMIT);
  await writeFile(join(folder, "snapshots", COMMIT, file), buildTinyModel({}));
}
