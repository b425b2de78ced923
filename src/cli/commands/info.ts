import type { ModelDetails } from "../../client/index.ts";
import { EXIT } from "../exit-codes.ts";
import { formatBytes, formatCount } from "../format.ts";
import { openServer } from "../open-server.ts";

/** Prints what the files of a model say, here or on the hub, and what it needs on this machine. */
export async function info(
  model: string,
  { ctxSize, json = false }: { ctxSize?: number | undefined; json?: boolean | undefined },
): Promise<number> {
  await using server = await openServer();
  const details = await server.client.modelDetails(model, { contextTokens: ctxSize });
  if (json) {
    console.log(JSON.stringify(details, undefined, 2));
    return EXIT.success;
  }
  for (const [name, value] of [...describe(details), ...describeMemory(details), ...describeFiles(details)]) {
    console.log(`${name.padEnd(13)} ${value}`);
  }
  return EXIT.success;
}

type Line = readonly [name: string, value: string];

function describe(details: ModelDetails): Line[] {
  const { architecture, parameters, quantization, context_length: context } = details;
  const known: Line[] = [
    ["Model", details.id],
    ["Checkpoint", details.checkpoint],
    ["Recipe", details.recipe],
    ["Labels", details.labels.join(", ") || "-"],
    ["Downloaded", details.downloaded ? "Yes" : "No"],
  ];
  if (architecture === null) return known;
  return [
    ...known,
    ["Architecture", `${architecture}, ${formatCount(parameters ?? 0)} parameters, ${quantization ?? "unknown quantisation"}`],
    ["Context", context === null ? "unknown" : `trained for ${context} tokens`],
    ["Chat", details.chat_template ? `template${details.tool_calls ? " with tool calls" : ""}` : "no template"],
    ["Pooling", details.pooling ?? "-"],
  ];
}

function describeMemory({ memory }: ModelDetails): Line[] {
  if (memory === null) return [];
  const { total, available, free } = memory;
  const verdict = memory.fits
    ? `fits into this machine's ${formatBytes(available)}${memory.fits_now ? "" : `, but not into the ${formatBytes(free)} that are free now`}`
    : `does not fit into this machine's ${formatBytes(available)}`;
  return [
    ["Memory", `${formatBytes(total)} with a context of ${memory.ctx_size} tokens, ${verdict}`],
    [
      "",
      `weights ${formatBytes(memory.weights)}, KV cache ${formatBytes(memory.kv_cache)}, scratch space about ${formatBytes(memory.compute)}`,
    ],
    ...memory.gpus.map(({ name, memory: bytes, fits }): Line => [
      "GPU",
      `${fits ? "fits" : "does not fit whole"} into the ${formatBytes(bytes)} of ${name}`,
    ]),
  ];
}

function describeFiles({ files }: ModelDetails): Line[] {
  return files.map(({ path, size }, i) => [i === 0 ? "Files" : "", `${formatBytes(size).padStart(9)}  ${path}`]);
}
