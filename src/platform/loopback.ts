import { isIPv4 } from "node:net";

/** Whether a host name means this machine alone. `127.example.org` is a name like any other. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
