import * as v from "valibot";
import type { Engines } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { below } from "../schemas.ts";
import { renderSystemInfo } from "../system-info.ts";

const Device = v.looseObject({ available: v.boolean() });
const SystemInfo = v.looseObject({
  "OS Version": v.string(),
  Processor: v.string(),
  "Physical Memory": v.string(),
  devices: v.looseObject({ cpu: Device, amd_igpu: Device, amd_dgpu: v.array(Device), nvidia_dgpu: v.array(Device), npu: Device }),
});

/** Lemonade reads `true` in any case, and `1`. */
const flag = v.optional(
  v.pipe(
    v.string(),
    v.transform((text) => /^(?:true|1)$/i.test(text)),
  ),
  "false",
);

export function systemInfoEndpoints(engines: Pick<Engines, "report">): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      paths: below("system-info"),
      scope: "infer",
      tag: "Server",
      summary: "What this machine consists of and which engines are on it; with `complete` waits until all of it is known",
      query: v.looseObject({ verbose: flag, complete: flag }),
      answers: { 200: { description: "The machine; sizes in GiB", schema: SystemInfo } },
      handle: async ({ query: { verbose, complete }, signal }) =>
        json(renderSystemInfo(await engines.report({ complete, signal }), { verbose })),
    }),
  ];
}
