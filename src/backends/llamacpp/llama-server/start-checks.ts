import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { findPortHolder, pickFreePort } from "../../../platform/index.ts";
import { isExecutable } from "../find-executable.ts";
import type { EngineAddress } from "./argv.ts";
import { ExecutableNotFoundError, ModelNotFoundError, StartupError } from "./errors.ts";
import { ENGLISH_MESSAGES } from "./messages.ts";
import type { ResolvedOptions } from "./options.ts";
import { redactModelPath } from "./redact-model-path.ts";

/** Checks that program and model exist: the engine itself would take its time to say so, and show the whole path. */
export async function checkFiles({ executable, model, cwd = "." }: ResolvedOptions): Promise<void> {
  if (!(await isExecutable(executable))) throw new ExecutableNotFoundError(executable);
  const facts = await stat(resolve(cwd, model)).catch((cause: unknown) => {
    throw new ModelNotFoundError(redactModelPath(model, process.env), { cause });
  });
  if (!facts.isFile()) throw new ModelNotFoundError(redactModelPath(model, process.env));
}

/**
 * Checks that nobody listens on the port: the health path of another server would make ours look ready. Whoever comes between this look
 * and the engine's own is noticed by the engine, which ends.
 */
export async function checkPort({ baseUrl }: EngineAddress): Promise<void> {
  const port = Number(baseUrl.port);
  try {
    await pickFreePort({ host: baseUrl.hostname.replace(/^\[|\]$/g, ""), range: [port, port] });
  } catch (cause) {
    const holder = await findPortHolder(port);
    const holderText = holder === undefined ? "" : ` by process ${holder.pid}, ${holder.name}`;
    throw new StartupError(
      `${ENGLISH_MESSAGES["start_failure-port_taken"]} (port ${port}${holderText})`,
      { reason: "port_taken" },
      { cause },
    );
  }
}
