import type { DownloadJobs, HubClient } from "../hub/index.ts";
import { importLater } from "../platform/index.ts";

export interface Hub {
  readonly client: HubClient;
  readonly jobs: DownloadJobs;
}

/** Loads the hub's code and reads what an earlier process left unfinished. */
export async function openHub(options: { env: Readonly<Record<string, string | undefined>>; downloadsDir: string }): Promise<Hub> {
  const {
    createDownloadJobs,
    Downloader,
    HubClient: Client,
    hubSettingsFromEnvironment,
  } = await importLater(() => import("../hub/index.ts"));
  const client = new Client(hubSettingsFromEnvironment(options.env));
  const downloader = new Downloader({ client });
  return { client, jobs: await createDownloadJobs({ downloader, folder: options.downloadsDir }) };
}
