import { RouterError } from "../../errors.ts";
import { isLoopback } from "../../platform/index.ts";

export interface SourceRules {
  /** Host names beside addresses and `localhost` under which this server may be asked. */
  readonly allowedHosts: readonly string[];
  /** Origins of other web pages that may use this server, such as `https://chat.example.org`; `*` allows all. */
  readonly allowedOrigins: readonly string[];
}

/** Pages of programs on this machine: a web page cannot give itself one of these schemes. */
const PROGRAM_SCHEMES = ["app:", "tauri:", "vscode-webview:", "vscode-file:", "capacitor:"];

/**
 * Refuses what a foreign web page makes a browser send. A page that has its own name point to this machine (DNS rebinding) shows in the
 * `Host` header, any other page in `Origin` or, where a browser sends none, in `Sec-Fetch-Site`.
 * @throws {@link RouterError} `HOST_NOT_ALLOWED`, `ORIGIN_NOT_ALLOWED`.
 */
export function checkSource(request: Request, rules: SourceRules): void {
  const { headers } = request;
  const host = headers.get("host");
  if (host !== null && !isKnownHost(hostnameOf(host), rules)) {
    throw new RouterError("HOST_NOT_ALLOWED", `This server does not answer under the name ${JSON.stringify(host)}`, {
      hint: "Allow it with --allowed-hosts.",
    });
  }
  const origin = headers.get("origin");
  if (origin !== null && !isKnownOrigin(origin, host, rules)) throw originNotAllowed(origin);
  // Images, scripts and forms of other pages carry no Origin; following a link to our page is fine.
  if (origin === null && headers.get("sec-fetch-site") === "cross-site" && headers.get("sec-fetch-mode") !== "navigate") {
    throw originNotAllowed("another site");
  }
}

function isKnownHost(name: string, { allowedHosts }: SourceRules): boolean {
  // An address cannot be rebound: only names can point somewhere else later.
  return isAddress(name) || name === "localhost" || name.endsWith(".localhost") || allowedHosts.includes(name);
}

/** As it stands in a `Host` header, brackets removed. Not `node:net`'s test: that module takes 6 MB and 4 ms of a start. */
function isAddress(name: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) || /^[\da-f.]*:[\da-f:.]*$/.test(name);
}

function isKnownOrigin(origin: string, host: string | null, { allowedOrigins }: SourceRules): boolean {
  if (allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false; // Also "null": a sandboxed page or a local file.
  const url = new URL(origin);
  if (PROGRAM_SCHEMES.includes(url.protocol)) return true;
  return url.host === host || isLoopback(hostnameOf(url.host));
}

/** The name of `name:port` or `[address]:port`, in lower case and without a final dot; an empty one when it is neither. */
function hostnameOf(host: string): string {
  const [, name = "", address = name, port] = /^(?:([^\s:/?#@\\[\]]+)|\[([\da-f.]*:[\da-f:.]*)\])(?::(\d*))?$/i.exec(host) ?? [];
  return Number(port ?? 0) > MAX_PORT ? "" : address.toLowerCase().replace(/\.$/, "");
}

const MAX_PORT = 65_535;

function originNotAllowed(origin: string): RouterError {
  return new RouterError("ORIGIN_NOT_ALLOWED", `Pages of ${origin} may not use this server`, { hint: "Allow it with --allowed-origins." });
}
