import { RouterError } from "../../errors.ts";
import { describeProgress, directoriesFrom, installEmbedded, installLlamaCppFromSource } from "../../router/index.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible } from "../interruptible.ts";
import { ProgressLine } from "../progress-line.ts";

/** Installs an engine and says where it is. */
export async function install(backend: string, { fromSource = false }: { fromSource?: boolean | undefined }): Promise<number> {
  const installEngine = installer(backend, fromSource);
  using progress = new ProgressLine();
  const { path, version } = await interruptible(
    async (signal) =>
      await installEngine({
        directories: directoriesFrom(process.env),
        env: process.env,
        signal,
        onProgress: (state) => progress.show(`${backend}: ${describeProgress(state)}`),
      }),
  );
  progress.clear();
  console.log(`Installed ${backend} ${version} in ${path}`);
  return EXIT.success;
}

function installer(backend: string, fromSource: boolean): typeof installEmbedded {
  if (backend === "embedded") return installEmbedded;
  if (backend === "llamacpp" && fromSource) return installLlamaCppFromSource;
  const hint = "Known: `lemonade install embedded`, `lemonade install llamacpp --from-source`.";
  throw new RouterError("CONFIG_INVALID", `There is no way to install ${JSON.stringify(backend)}`, { hint });
}
