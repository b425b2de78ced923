import { existsSync } from "node:fs";
import { resolve } from "node:path";
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
  readonly reasoning?: boolean | undefined;
  readonly vision?: boolean | undefined;
  readonly embedding?: boolean | undefined;
  readonly reranking?: boolean | undefined;
}

/** Downloads models, one after the other. */
export async function pull(models: readonly string[], flags: PullFlags): Promise<number> {
  await using server = await openServer();
  const checkpoint = flags.checkpoint && absoluteIfPath(flags.checkpoint);
  for (const model of models) {
    await pullModel(server.client, { model_name: model, ...flags, checkpoint });
    console.log(`Model pulled successfully: ${model}`);
  }
  return EXIT.success;
}

/** A path is registered for commands in other folders, and for a server that has a folder of its own. */
function absoluteIfPath(checkpoint: string): string {
  const isPath = /^\.{1,2}(?:[/\\]|$)/.test(checkpoint) || (/\.gguf$/i.test(checkpoint) && existsSync(checkpoint));
  return isPath ? resolve(checkpoint) : checkpoint;
}

/**
 * Downloads one model and shows its progress. Ctrl-C pauses the download unless others wait for it too, so that the next pull goes on
 * where it was.
 */
export async function pullModel(client: LemonadeClient, request: PullRequest): Promise<void> {
  using line = new ProgressLine();
  await interruptible(async (signal) => {
    const connection = new AbortController();
    let last: Download | undefined;
    // Asked while we still count as one who waits: the answer says whether it goes on for others.
    const leave = async (): Promise<void> => {
      const left = last && (await client.controlDownload(last.id, "leave").catch(() => undefined));
      line.clear();
      if (left) console.error(farewell(left, request.model_name));
      connection.abort(signal.reason);
    };
    let leaving: Promise<void> | undefined;
    signal.addEventListener("abort", () => void (leaving = leave()), { once: true });
    try {
      for await (const download of client.pull({ ...request, stop_on_disconnect: true }, { signal: connection.signal })) {
        last = download;
        if (signal.aborted) continue;
        if (line.terminal === undefined) line.show(downloadLine(download));
        else line.show(...downloadLines(download, line.terminal));
      }
    } catch (error) {
      await leaving;
      line.clear();
      if (!signal.aborted && last !== undefined && last.bytes_done > 0) console.error(keptOf(last, request.model_name));
      // That it was stopped is what the user wanted.
      throw signal.aborted ? signal.reason : error;
    }
  });
}

function farewell({ id, state, bytes_done, bytes_total }: Download, model: string): string {
  if (state === "running" || state === "waiting") return `The download goes on for others. Stop it with: lemonade downloads pause ${id}`;
  return `Stopped. ${keptOf({ bytes_done, bytes_total }, model)}`;
}

function keptOf({ bytes_done, bytes_total }: Pick<Download, "bytes_done" | "bytes_total">, model: string): string {
  // A star, or a space in a name, means more to a shell.
  const word = /^[\w.:/@+-]+$/.test(model) ? model : `'${model.replaceAll("'", "'\\''")}'`;
  return `${formatBytes(bytes_done)} of ${formatBytes(bytes_total)} are kept. Go on with: lemonade pull ${word}`;
}
