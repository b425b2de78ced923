import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultVariant, detectTarget, type TargetTriple } from "../target.ts";
import type { FakeEngineBehaviour } from "./fake-engine-behaviour.ts";

/** Where a fake engine is put, and what it does. */
export interface FakeEngineOptions extends FakeEngineBehaviour {
  /** Folder for `<target>/<variant>/<name>`. By default a temporary one, which disposing removes. */
  readonly lookupPath?: string | undefined;
  /** Defaults to the platform of this process. */
  readonly target?: TargetTriple | undefined;
  /** Defaults to the first variant of the platform. */
  readonly variant?: string | undefined;
  /** Defaults to `llama-server`. */
  readonly name?: string | undefined;
}

/** A program that can be started in the place of `llama-server`. */
export interface FakeEngine extends AsyncDisposable {
  /** Path of the program, `<lookupPath>/<target>/<variant>/<name>`. */
  readonly executable: string;
  /** Folder in which `resolveExecutable` finds it. */
  readonly lookupPath: string;
  /** Path of a file that passes for its model. */
  readonly model: string;
}

/**
 * Writes a small program that takes llama-server's `--port`, `--host`, `--alias` and `--api-key` and answers like it, with a fixed text
 * and whatever faults are asked for. It runs on the runtime of this process. Not for Windows, which does not execute scripts.
 */
export async function makeFakeEngine({ lookupPath, target = detectTarget(), ...options }: FakeEngineOptions = {}): Promise<FakeEngine> {
  const { variant = defaultVariant(target), name = "llama-server", ...behaviour } = options;
  const folder = lookupPath ?? (await mkdtemp(join(tmpdir(), "fake-llama-server-")));
  const place = join(folder, target, variant);
  const executable = join(place, name);
  const behaviourPath = join(place, `${name}.json`);
  const model = join(folder, "model.gguf");
  await mkdir(place, { recursive: true });
  await writeFile(model, "GGUF");
  await writeFile(behaviourPath, JSON.stringify(behaviour satisfies FakeEngineBehaviour));
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"; // Sources in a checkout, compiled in the package.
  const program = fileURLToPath(new URL(`fake-engine-program.${extension}`, import.meta.url));
  await writeFile(executable, `#!/bin/sh\nexec ${[process.execPath, program, behaviourPath].map(quote).join(" ")} "$@"\n`);
  await chmod(executable, 0o755);
  return {
    executable,
    lookupPath: folder,
    model,
    async [Symbol.asyncDispose]() {
      if (lookupPath === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
