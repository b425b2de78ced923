import type { InstallBinariesOptions, InstalledBinary } from "../backends/installers/index.ts";

/**
 * Fetches builds of the engine from the releases of a GitHub repository into the layout of {@link resolveExecutable}, or does nothing
 * where the release is installed already. A download is resumed and compared with the digest that GitHub publishes; a build takes the
 * place of an older one as a whole, in one rename. Of several callers, also in different processes, one works and the others wait.
 * @returns The builds in the order of `variants`.
 * @throws {@link RouterError} `INSTALL_FAILED` when there is no such release or file, or it cannot be fetched or unpacked; `OFFLINE`.
 * @throws {@link InvalidOptionsError} for an unknown platform and for a variant that is no plain name.
 * @throws {@link ProcessIoError} when another installation holds the folder for too long.
 */
export async function installBinaries(options: InstallBinariesOptions): Promise<readonly InstalledBinary[]> {
  const [{ installBinariesWith }, { downloadUrl }] = await Promise.all([
    import("../backends/installers/index.ts"),
    import("../hub/index.ts"),
  ]);
  return await installBinariesWith(async (file) => await downloadUrl(file, { env: process.env }), options);
}
