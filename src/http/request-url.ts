/** The path and the query of an absolute URL as they were sent. */
export function targetOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("//") + 2));
}

/** The path of an absolute URL as it was sent: one that needs decoding is left to the router. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return url.slice(start, end === -1 ? undefined : end);
}

/** The query of a URL; undefined when it has none, which costs nothing to find out. */
export function queryOf(url: string): URLSearchParams | undefined {
  const at = url.indexOf("?");
  return at === -1 ? undefined : new URLSearchParams(url.slice(at + 1));
}
