import { EXIT } from "../exit-codes.ts";
import { formatBytes, formatCount } from "../format.ts";
import { openServer } from "../open-server.ts";

/** Prints what the files of a model say and what it needs on this machine. */
export async function info(
  model: string,
  { ctxSize, json = false }: { ctxSize?: string | undefined; json?: boolean | undefined },
): Promise<number> {
  await using server = await openServer();
  const details = await server.client.modelDetails(model, { contextTokens: ctxSize === undefined ? undefined : Number(ctxSize) });
  if (json) {
    console.log(JSON.stringify(details, undefined, 2));
    return EXIT.success;
  }
  const { memory } = details;
  const verdict = memory.fits
    ? `fits into this machine's ${formatBytes(memory.available)}`
    : `does not fit into this machine's ${formatBytes(memory.available)}`;
  const facts: [string, string][] = [
    ["Model", details.id],
    ["Checkpoint", details.checkpoint],
    ["Recipe", details.recipe],
    ["Labels", details.labels.join(", ") || "-"],
    [
      "Architecture",
      `${details.architecture}, ${formatCount(details.parameters)} parameters, ${details.quantization ?? "unknown quantisation"}`,
    ],
    ["Context", details.context_length === null ? "unknown" : `trained for ${details.context_length} tokens`],
    ["Chat", details.chat_template ? `template${details.tool_calls ? " with tool calls" : ""}` : "no template"],
    ["Pooling", details.pooling ?? "-"],
    ["Memory", `${formatBytes(memory.total)} with a context of ${memory.ctx_size} tokens, ${verdict}`],
    [
      "",
      `weights ${formatBytes(memory.weights)}, KV cache ${formatBytes(memory.kv_cache)}, scratch space about ${formatBytes(memory.compute)}`,
    ],
    ...details.files.map(({ path, size }, i): [string, string] => [i === 0 ? "Files" : "", `${formatBytes(size).padStart(9)}  ${path}`]),
  ];
  for (const [name, value] of facts) console.log(`${name.padEnd(13)} ${value}`);
  return EXIT.success;
}
