import { RouterError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { fetchInOrder } from "./fetch-in-order.ts";
import type { FileMetadata } from "./hub-client.ts";
import type { PartialBlob } from "./partial-blob.ts";
import type { PartSlots } from "./part-slots.ts";
import { RangeRefusedError, RangeSource } from "./range-source.ts";
import { retrying } from "./retry.ts";
import type { HubTransport } from "./transport.ts";

export interface BlobFetch {
  readonly transport: HubTransport;
  readonly slots: PartSlots;
  readonly clock: Clock;
  readonly metadata: FileMetadata;
  /** What the file is called in messages. */
  readonly label: string;
  /** The repository that it is part of, where it is of a hub. */
  readonly repo?: string | undefined;
  /** Asks the hub about the file again. */
  readonly describe: (signal: AbortSignal) => Promise<FileMetadata>;
  /** Bytes of the file that have arrived, those of an earlier process included. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** How often in a row, without a new byte, a file that does not match its description is begun anew from the hub's answer on. */
const MAX_DESCRIPTIONS = 3;

/**
 * Fetches what is missing of a file, checks the whole and closes it. A wrong hash drops it; when some of it is from an earlier process
 * or from before the server changed its mind, it is fetched once more from nothing before.
 */
export async function fetchBlob(partial: PartialBlob, fetch: BlobFetch): Promise<void> {
  let mayBeMixed = partial.bytes > 0;
  fetch.onBytes(partial.bytes);
  await partial.readPrefix(fetch.signal);
  for (let isSecondTry = false; ; isSecondTry = true) {
    const { hasChanged } = await fetchRest(partial, fetch);
    mayBeMixed ||= hasChanged;
    try {
      return await partial.finish(fetch.label);
    } catch (error) {
      if (!(error instanceof RouterError) || error.code !== "CHECKSUM_MISMATCH") throw error;
      if (isSecondTry || !mayBeMixed) {
        await partial.discard();
        throw error;
      }
      await partial.restart();
    }
  }
}

async function fetchRest(partial: PartialBlob, fetch: BlobFetch): Promise<{ readonly hasChanged: boolean }> {
  const { transport, slots, clock, label, repo, describe, onBytes, signal } = fetch;
  let { metadata } = fetch;
  let hasChanged = false;
  for (let descriptions = 1; ; descriptions++) {
    const source = new RangeSource({ transport, metadata, label, repo, refresh: describe });
    const before = partial.bytes;
    let received = before;
    try {
      await fetchInOrder({
        startByte: partial.bytes,
        endByte: metadata.sizeBytes,
        open: (start, end, signal) => source.open(start, end, signal),
        append: (chunk, isOurs) => partial.append(chunk, isOurs),
        onReceived: (bytes) => onBytes((received += bytes)),
        slots,
        clock,
        signal,
      });
      return { hasChanged };
    } catch (error) {
      if (!(error instanceof RangeRefusedError)) throw error;
      if (!error.hasChanged) {
        await fetchWhole(partial, source, fetch);
        return { hasChanged };
      }
      if (partial.bytes > before) descriptions = 1;
      if (descriptions >= MAX_DESCRIPTIONS) throw error;
      hasChanged = true;
      const { etag } = metadata;
      metadata = await describe(signal);
      if (metadata.etag !== etag) throw error;
    }
  }
}

/** From a server that knows no ranges: one connection, from the first byte on, skipping what is here. */
async function fetchWhole(partial: PartialBlob, source: RangeSource, { slots, clock, onBytes, signal }: BlobFetch): Promise<void> {
  const release = await slots.acquire(signal);
  let before = 0;
  try {
    await retrying(
      async () => {
        before = partial.bytes;
        let skip = partial.bytes;
        for await (const chunk of source.openWhole(signal)) {
          const news = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - news.length;
          if (news.length === 0) continue;
          await partial.append(news, true);
          onBytes(partial.bytes);
        }
      },
      { clock, signal, hasProgressed: () => partial.bytes > before },
    );
  } finally {
    release();
  }
}
