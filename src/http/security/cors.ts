/** How long a browser may remember a preflight's answer, in seconds. */
const MAX_AGE_S = 600;

/** Headers that let a page read an answer. Only called for an origin that has been checked. */
export function addCorsHeaders(headers: Headers, origin: string): void {
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-credentials", "true");
  headers.set("access-control-expose-headers", "x-request-id, x-should-retry");
  headers.append("vary", "Origin");
}

/**
 * The answer to a preflight of an origin that has been checked: the methods of the path, and whatever headers the page wants to send,
 * since the OpenAI SDK adds its own. A page of the public web that asks for a private address is told that it may.
 * https://fetch.spec.whatwg.org/#cors-preflight-fetch, https://wicg.github.io/private-network-access/
 */
export function preflight(request: Request, methods: readonly string[]): Response {
  const headers = new Headers({ "access-control-max-age": String(MAX_AGE_S), "access-control-allow-methods": methods.join(", ") });
  const wanted = request.headers.get("access-control-request-headers");
  if (wanted !== null) headers.set("access-control-allow-headers", wanted);
  headers.append("vary", "Access-Control-Request-Method, Access-Control-Request-Headers");
  if (request.headers.get("access-control-request-private-network") === "true") headers.set("access-control-allow-private-network", "true");
  return new Response(null, { status: 204, headers });
}
