import { RouterError } from "../errors.ts";
import type { DownloadJobs, FetchByKeeper, HubClient } from "../hub/index.ts";
import type { ModelEntry } from "../model/index.ts";
import { importLater } from "../platform/index.ts";

export interface Hub {
  readonly client: HubClient;
  readonly jobs: DownloadJobs;
}

export interface HubOptions {
  /** Where the hub is, who asks and what is allowed: the variables that `huggingface_hub` reads. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where unfinished downloads are remembered. */
  readonly downloadsDir: string;
  /** Has FastFlowLM fetch what it keeps itself. */
  readonly fetchByKeeper: FetchByKeeper;
  /** Registers a model whose files are here. */
  readonly register: (entry: ModelEntry) => Promise<void>;
  readonly warn: (message: string) => void;
}

/** Loads the hub's code and reads what an earlier process left unfinished. */
export async function openHub({ env, downloadsDir, fetchByKeeper, register, warn }: HubOptions): Promise<Hub> {
  const {
    createDownloadJobs,
    Downloader,
    HubClient: Client,
    hubSettingsFromEnvironment,
  } = await importLater(() => import("../hub/index.ts"));
  const client = new Client(hubSettingsFromEnvironment(env));
  const downloader = new Downloader({ client });
  return { client, jobs: await createDownloadJobs({ downloader, folder: downloadsDir, fetchByKeeper, register, onProblem: warn }) };
}

/** The hub cannot be asked now, which says nothing about a model. */
export function isHubAway(error: unknown): error is RouterError {
  return error instanceof RouterError && (error.code === "HUB_UNREACHABLE" || error.code === "HUB_RATE_LIMITED");
}
