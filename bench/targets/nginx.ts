import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";

/** nginx before the mock: what a relay costs at least. */
export interface Nginx extends AsyncDisposable {
  readonly baseUrl: string;
  /** Of its one worker. */
  readonly pid: number;
}

export async function startNginx(upstreamUrl: string): Promise<Nginx> {
  const folder = await makeFolder("nginx");
  const port = await freePort();
  const config = join(folder.path, "nginx.conf");
  await writeFile(config, configText({ folder: folder.path, port, upstream: new URL(upstreamUrl).host }));
  const child = startChild(["nginx", "-p", folder.path, "-c", config, "-e", join(folder.path, "error.log")], { folder });
  const baseUrl = `http://127.0.0.1:${port}`;
  while (!child.hasEnded()) {
    const answers = await fetch(`${baseUrl}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (answers) return { baseUrl, pid: workerOf(child.pid), [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
    await Bun.sleep(10);
  }
  await child[Symbol.asyncDispose]();
  throw new Error("nginx did not start");
}

function workerOf(masterPid: number): number {
  return Number(readFileSync(`/proc/${masterPid}/task/${masterPid}/children`, "utf8").trim().split(" ")[0]);
}

/** One worker, connections to the mock kept, no buffering of answers, so that events leave when they come. */
function configText({ folder, port, upstream }: { folder: string; port: number; upstream: string }): string {
  const user = process.getuid?.() === 0 ? "user root;" : ""; // A worker of another user could not enter the folder.
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`);
  return `${user}
daemon off;
worker_processes 1;
pid ${join(folder, "pid")};
error_log ${join(folder, "error.log")};
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  keepalive_requests 1000000000;
  upstream mock {
    server ${upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`;
}
