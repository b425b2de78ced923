import { Downloader } from "../src/hub/download-file.ts";
import { HubClient } from "../src/hub/hub-client.ts";
import { hubSettingsFromEnvironment } from "../src/hub/settings.ts";

// One download with the settings of the environment; bench/scenarios/download.ts measures the whole process.
const [repo = "", path = ""] = process.argv.slice(2);
const client = new HubClient(hubSettingsFromEnvironment(process.env));
const downloader = new Downloader({ client });
const { commit } = await client.repoInfo(repo);
console.log(`idleBytes=${process.memoryUsage.rss()}`);
await downloader.downloadFile({ repo, commit, path });
