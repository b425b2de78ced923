/** Whether a host name means this machine alone. `127.example.org` is a name like any other. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
