import type { Log, ProcessRecords } from "../platform/index.ts";
import type { LaunchRequest, StartOptions, WrappedServer } from "./wrapped-server.ts";

export interface BackendContext {
  readonly log: Log;
  readonly records: ProcessRecords;
  /** Environment that children inherit, less what would change their behaviour behind our back. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A kind of server program: knows whether it is here and makes wrapped servers. */
export interface Backend {
  /** `llamacpp`, `embedded`, `flm`. */
  readonly name: string;
  /** Makes a wrapped server that is not started yet. Rejects with BACKEND_NOT_INSTALLED, or installs where that is the policy. */
  createServer(request: LaunchRequest, options: Pick<StartOptions, "signal" | "onProgress">): Promise<WrappedServer>;
  /** The command line that a start would have, with port 0, or undefined when the engine is not here. Starts and installs nothing. */
  describeLaunch(request: LaunchRequest): Promise<readonly string[] | undefined>;
  /** Which build of llama.cpp it is, `b<build>-<commit>` as far as that is known; undefined when the engine is not here. */
  buildInfo(): Promise<string | undefined>;
  /** What its program prints about its options; undefined when it is not here. */
  help?(): Promise<string | undefined>;
}
