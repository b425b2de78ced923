import { openServer } from "../open-server.ts";
import { EXIT } from "../exit-codes.ts";
import { formatTable } from "../table.ts";

export interface SystemInfoFlags {
  readonly verbose?: boolean | undefined;
  readonly format?: "table" | "json" | undefined;
}

/** Says what this machine consists of and which engines are on it. */
export async function systemInfo({ verbose = false, format = "table" }: SystemInfoFlags): Promise<number> {
  await using server = await openServer();
  const info = await server.client.systemInfo({ verbose, complete: true });
  if (format === "json") console.log(JSON.stringify(info, undefined, 2));
  else console.log(formatTable(["Item", "Value"], rowsOf(info)));
  return EXIT.success;
}

/** The facts line by line; what belongs to a device is indented below it. */
function rowsOf(info: Readonly<Record<string, unknown>>): string[][] {
  const { devices = {}, problems = [], ...facts } = info;
  return [
    ...Object.entries(facts).map(([name, value]) => [name, textOf(value)]),
    ["Devices", ""],
    ...Object.entries(devices as Record<string, unknown>).flatMap(([name, device]) => deviceRows(name, device)),
    ...(problems as readonly string[]).map((problem) => ["Problem", problem]),
  ];
}

function deviceRows(key: string, value: unknown): string[][] {
  if (Array.isArray(value)) return value.flatMap((device) => deviceRows(key, device));
  const { name, available, error, inference_engines: engines = {}, ...facts } = value as Record<string, unknown>;
  const label = `  ${DEVICES[key] ?? key}`;
  if (available !== true) return [[label, textOf(error)]];
  return [
    [label, textOf(name)],
    ...Object.entries(facts).map(([fact, of]) => [`    ${fact.replaceAll("_", " ")}`, textOf(of)]),
    ...Object.entries(engines as Record<string, Record<string, unknown>>).map(([engine, state]) => [
      `    ${engine}`,
      state["available"] === true
        ? `available ${textOf(state["version"])}`.trim()
        : `no${state["error"] === undefined ? "" : `: ${textOf(state["error"])}`}`,
    ]),
  ];
}

const DEVICES: Readonly<Record<string, string>> = {
  cpu: "CPU",
  amd_igpu: "AMD integrated GPU",
  amd_dgpu: "AMD GPU",
  nvidia_dgpu: "NVIDIA GPU",
  other_gpu: "GPU",
  npu: "NPU",
};

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
