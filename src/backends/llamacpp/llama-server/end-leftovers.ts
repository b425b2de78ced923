import { resolve } from "node:path";
import { ProcessRecords } from "../../../platform/index.ts";

/**
 * Ends the processes that programs which are gone have left behind, with all that these have forked. A process is recognised by its pid
 * and start time or by a mark in its environment, never by its name; those of programs that still run are left alone.
 * @param recordsDir - As in {@link LlamaServerOptions.recordsDir}; a folder that does not exist holds none.
 * @returns The programs that were ended.
 */
export async function endLeftovers(recordsDir: string): Promise<string[]> {
  return await new ProcessRecords(resolve(recordsDir)).reapLeftovers();
}
