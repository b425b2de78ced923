import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, makeMisbehavingEngine, startLemonade } from "../fixtures/index.ts";

/** What a machine with one card says, a little late, as after it has slept. */
const SLOW_NVIDIA_SMI = `#!/bin/sh
sleep 0.3
case "$*" in
"") echo "| NVIDIA-SMI 570.10  Driver Version: 570.10  CUDA Version: 12.8 |" ;;
*) echo "00000000:01:00.0, NVIDIA GeForce RTX 5090, 32607, 570.10" ;;
esac
`;

// Builds for CUDA are published for Linux and Windows, and the tool is a shell script.
test.skipIf(process.platform !== "linux")(
  "the first model of a first start gets the build that fits a GPU which answers late",
  async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}]);
    const tools = join(workspace.folder, "tools");
    await mkdir(tools);
    await writeFile(join(tools, "nvidia-smi"), SLOW_NVIDIA_SMI, { mode: 0o755 });
    const builds = await Promise.all(
      ["cuda", "cpu"].map(async (variant) => {
        const path = join(workspace.folder, `llama-server-${variant}`);
        await writeFile(path, `#!/bin/sh\nexec ${engine.flags[1]} "$@"\n`, { mode: 0o755 });
        return [`LEMONADE_LLAMACPP_${variant.toUpperCase()}_BIN`, path];
      }),
    );
    const env = {
      ...engine.env,
      ...(Object.fromEntries(builds) as Record<string, string>),
      LEMONADE_BIN_DIR: join(workspace.folder, "bin"),
      PATH: `${tools}:${process.env["PATH"]}`,
    };
    await using server = await startLemonade({ workspace, env, flags: ["--log-level", "debug"] });
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
    expect(/starting \S*llama-server-(\w+)/.exec(server.log())?.[1]).toBe("cuda");
  },
);
