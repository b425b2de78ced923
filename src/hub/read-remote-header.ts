import { parseGgufHeader, type GgufHeader } from "../model/gguf/index.ts";
import { systemClock } from "./clock.ts";
import type { HubClient } from "./hub-client.ts";
import { RangeSource } from "./range-source.ts";
import { retrying } from "./retry.ts";

/** The first range holds what most headers say before their vocabulary; each further one is twice as long, so that few are needed. */
const FIRST_BYTES = 1 << 18;
const MOST_BYTES = 1 << 22;

/**
 * The header of a file that is on the hub, read by ranges: some megabytes of what may be hundreds of gigabytes.
 * @throws {@link RouterError} `NOT_A_GGUF`, and what the hub may refuse with.
 */
export async function readRemoteHeader(
  client: HubClient,
  { repo, path, commit }: { readonly repo: string; readonly path: string; readonly commit: string },
  signal: AbortSignal,
): Promise<GgufHeader> {
  const label = `${repo}/${path}`;
  const refresh = async (signal: AbortSignal) => await client.fileMetadata(repo, path, { revision: commit, signal });
  const metadata = await retrying(() => refresh(signal), { clock: systemClock, signal });
  const { sizeBytes } = metadata;
  const source = new RangeSource({ transport: client.transport, metadata, label, refresh });
  const parsing = parseGgufHeader({ name: label, fileBytes: sizeBytes });
  let step = parsing.next();
  for (let readBytes = FIRST_BYTES; !step.done; readBytes = Math.min(MOST_BYTES, readBytes * 2)) {
    const { offset, bytes } = step.value;
    const end = Math.min(sizeBytes, offset + Math.max(bytes, readBytes));
    const range =
      end <= offset ? new Uint8Array(0) : await retrying(() => read(source, offset, end, signal), { clock: systemClock, signal });
    step = parsing.next(range);
  }
  return step.value;
}

async function read(source: RangeSource, start: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let filled = 0;
  for await (const chunk of source.open(start, end, signal)) {
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  return bytes;
}
