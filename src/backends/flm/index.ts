import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess } from "../engine-process.ts";
import type { LaunchRequest } from "../wrapped-server.ts";
import { flmMissing, type FlmProgram } from "./flm-program.ts";

export { checkNpuDriver } from "./check-driver.ts";
export { FLM_POLICY } from "./flm-policy.ts";
export { FlmProgram } from "./flm-program.ts";

export interface FlmOptions {
  readonly context: BackendContext;
  readonly program: FlmProgram;
  /** Brings the program and checks its driver, as is the policy of this system. */
  readonly install: (signal: AbortSignal) => Promise<void>;
}

/** FastFlowLM has no health route; this one answers once the model is loaded. */
const READY_PATH = "/api/tags";

/** The backend that runs models on AMD's NPUs with FastFlowLM, whose server knows a model by its tag. */
export function createFlmBackend({ context, program, install }: FlmOptions): Backend {
  return {
    name: "flm",
    buildInfo: async () => await program.version(),
    async describeLaunch(request) {
      const executable = await program.find();
      return executable === undefined ? undefined : [executable, ...serveArguments(request, 0)];
    },
    async createServer(request, { signal }) {
      const { model: tag } = request.files;
      await install(signal);
      if (!(await program.installedTags()).has(tag)) {
        await program.pull(tag, { signal, onLine: (line) => context.log.debug(request.model, line) });
      }
      const command = await program.find();
      if (command === undefined) throw flmMissing();
      return new EngineProcess({
        backend: "flm",
        context,
        request,
        plansFor: (port) => [{ command, args: serveArguments(request, port) }],
        healthPath: READY_PATH,
        followsInput: false,
        upstreamModel: tag,
      });
    },
  };
}

function serveArguments({ files, contextTokens, extraArgs }: LaunchRequest, port: number): readonly string[] {
  return ["serve", files.model, "--ctx-len", String(contextTokens), "--port", String(port), ...extraArgs];
}
