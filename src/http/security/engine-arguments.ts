import { RouterError } from "../../errors.ts";
import type { Identity } from "./identity.ts";
import { importLater } from "../../platform/index.ts";

/**
 * An engine's arguments can make it run programs and write files: whoever manages models may tune them, and only whoever administers the
 * server may say more.
 * @throws {@link RouterError} `FORBIDDEN` naming the argument.
 */
export async function authorizeArguments(words: readonly string[], identity: Identity): Promise<void> {
  if (words.length === 0 || identity.scopes.includes("admin")) return;
  const { wordBeyondTuning } = await importLater(() => import("../../model/presets/index.ts"));
  const word = wordBeyondTuning(words);
  if (word === undefined) return;
  throw new RouterError("FORBIDDEN", `The API key ${identity.name} may tune models, and the engine argument ${word} may do more`, {
    hint: "Such arguments need a key with the scope admin, or come from --llamacpp-args or a preset file.",
  });
}
