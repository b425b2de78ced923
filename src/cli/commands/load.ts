import { RouterError } from "../../errors.ts";
import { directoriesFrom } from "../../platform/index.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible } from "../interruptible.ts";
import { loadModel } from "../load-model.ts";
import { clientOf } from "../running-client.ts";
import { findServer } from "../server-state.ts";

export interface LoadFlags {
  readonly ctxSize?: number | undefined;
  readonly llamacpp?: string | undefined;
  readonly llamacppArgs?: string | undefined;
  readonly saveOptions?: boolean | undefined;
}

/** Loads a model in the running server, with options of its own when some are given. */
export async function load(modelOrPath: string, { ctxSize, llamacpp, llamacppArgs, saveOptions }: LoadFlags): Promise<number> {
  const server = await findServer(directoriesFrom(process.env).runDir);
  if (server === undefined) {
    throw new RouterError("CONFIG_INVALID", "No server is running that could load a model", {
      hint: `Start one with \`lemonade serve\`, or chat at once with \`lemonade run ${modelOrPath}\`.`,
    });
  }
  const wishes = {
    contextTokens: ctxSize,
    backend: llamacpp,
    args: llamacppArgs,
    saves: saveOptions,
  };
  const model = await interruptible(async (signal) => await loadModel(clientOf(server), modelOrPath, { ...wishes, signal }));
  console.log(`Loaded model: ${model}`);
  return EXIT.success;
}

/** Unloads a model in the running server, or all. */
export async function unload(model: string | undefined): Promise<number> {
  const server = await findServer(directoriesFrom(process.env).runDir);
  const unloaded = server === undefined ? [] : await interruptible(async (signal) => await clientOf(server).unload(model, { signal }));
  console.log(
    unloaded.length > 0 ? `Unloaded: ${unloaded.join(", ")}` : model === undefined ? "No model is loaded" : `${model} is not loaded`,
  );
  return EXIT.success;
}
