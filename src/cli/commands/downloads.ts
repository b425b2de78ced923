import type { Download } from "../../client/index.ts";
import { EXIT } from "../exit-codes.ts";
import { formatBytes, formatDuration } from "../format.ts";
import { openServer } from "../open-server.ts";
import { formatTable } from "../table.ts";
import { pullModel } from "./pull.ts";

/** Lists the downloads that run, are paused, have failed or are just done. */
export async function downloads({ json = false }: { json?: boolean | undefined }): Promise<number> {
  await using server = await openServer();
  const found = await server.client.downloads();
  if (json) console.log(JSON.stringify(found, undefined, 2));
  else if (found.length === 0) console.log("No downloads: none runs, and none was interrupted.");
  else console.log(formatTable(["Model Name", "ID", "State", "Progress"], found.map(row), { maxWidth: process.stdout.columns }));
  return EXIT.success;
}

/** Pauses, resumes or cancels downloads. Without a server a resumed one runs here, to its end. */
export async function controlDownloads(action: "pause" | "resume" | "cancel", ids: readonly string[]): Promise<number> {
  await using server = await openServer();
  const { client, isRunning } = server;
  for (const id of ids) {
    const unfinished = isRunning || action !== "resume" ? undefined : (await client.downloads()).find((download) => download.id === id);
    if (unfinished === undefined || unfinished.state === "elsewhere") {
      const { model, state } = await client.controlDownload(id, action);
      console.log(`The download of ${model} is ${state}`);
    } else {
      await pullModel(client, { model_name: unfinished.model });
      console.log(`Model pulled successfully: ${unfinished.model}`);
    }
  }
  return EXIT.success;
}

function row({ id, model, state, bytes_done, bytes_total, bytes_per_second, eta_seconds, error }: Download): string[] {
  const percent = bytes_total > 0 ? Math.floor((bytes_done / bytes_total) * 100) : 0;
  const speed = bytes_per_second === null ? "" : `, ${formatBytes(bytes_per_second)}/s`;
  const eta = eta_seconds === null ? "" : `, ETA ${formatDuration(eta_seconds)}`;
  return [
    model,
    id,
    state === "elsewhere" ? "running elsewhere" : state,
    `${percent} % of ${formatBytes(bytes_total)}${speed}${eta}${error === null ? "" : `: ${error}`}`,
  ];
}
