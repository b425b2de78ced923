import { EXIT } from "../exit-codes.ts";
import { openServer } from "../open-server.ts";
import { formatTable } from "../table.ts";

/** Lists the engines: which are installed, which could be, and why or why not. */
export async function backends({ json = false }: { json?: boolean | undefined }): Promise<number> {
  await using server = await openServer();
  const engines = await server.client.backends();
  if (json) {
    console.log(JSON.stringify(engines, null, 2));
    return EXIT.success;
  }
  const rows = engines.map(({ name, installed, version, available, available_version, default: isDefault, reason }) => [
    name,
    installed ? (version ?? "yes") : "-",
    available ? (available_version ?? "yes") : "no",
    isDefault ? "yes" : "",
    reason,
  ]);
  console.log(formatTable(["Backend", "Installed", "Available", "Default", "Why"], rows));
  return EXIT.success;
}
