import type { Download, LemonadeClient, PullRequest } from "../../client/index.ts";
import { EXIT } from "../exit-codes.ts";
import { downloadLine, downloadLines } from "../download-lines.ts";
import { formatBytes } from "../format.ts";
import { interruptible } from "../interruptible.ts";
import { openServer } from "../open-server.ts";
import { ProgressLine } from "../progress-line.ts";

export interface PullFlags {
  readonly checkpoint?: string | undefined;
  readonly recipe?: string | undefined;
  readonly mmproj?: string | undefined;
  /** A flag; Lemonade's first version wanted a value behind it, which may still be given. */
  readonly reasoning?: boolean | string | undefined;
  readonly vision?: boolean | undefined;
  readonly embedding?: boolean | undefined;
  readonly reranking?: boolean | undefined;
}

/** Downloads models, one after the other. */
export async function pull(models: readonly string[], flags: PullFlags): Promise<number> {
  await using server = await openServer();
  for (const model of models) {
    await pullModel(server.client, { model_name: model, ...flags, reasoning: flags.reasoning ? true : undefined });
    console.log(`Model pulled successfully: ${model}`);
  }
  return EXIT.success;
}

/** Downloads one model and shows its progress. Ctrl-C pauses the download, so that the next pull goes on where it was. */
export async function pullModel(client: LemonadeClient, request: PullRequest): Promise<void> {
  using line = new ProgressLine();
  await interruptible(async (signal) => {
    let last: Download | undefined;
    try {
      for await (const download of client.pull(request, { signal })) {
        last = download;
        if (line.terminal === undefined) line.show(downloadLine(download));
        else line.show(...downloadLines(download, line.terminal));
      }
    } catch (error) {
      const running = last ?? (await client.downloads()).find(({ model }) => model === request.model_name);
      if (signal.aborted && running !== undefined) {
        await client.controlDownload(running.id, "pause");
        line.clear();
        const kept = `${formatBytes(running.bytes_done)} of ${formatBytes(running.bytes_total)}`;
        console.error(`Stopped at ${kept}, which are kept. Go on with: lemonade pull ${running.model}`);
      }
      throw error;
    }
  });
}
