export interface MockRequest {
  readonly path: string;
  readonly body: string;
  /** How many bytes of the buffer it took. */
  readonly length: number;
}

/** The first request of a buffer, or undefined when it is not complete. Reads what the measured proxies and wrk send, no more. */
export function takeRequest(buffer: Buffer): MockRequest | undefined {
  if (buffer.length === 0) return undefined;
  const headLength = buffer.indexOf("\r\n\r\n");
  if (headLength === -1) return undefined;
  const head = buffer.toString("latin1", 0, headLength);
  const bodyLength = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  const length = headLength + 4 + bodyLength;
  if (buffer.length < length) return undefined;
  const path = head.slice(head.indexOf(" ") + 1, head.indexOf(" HTTP/"));
  return { path, body: buffer.toString("latin1", headLength + 4, length), length };
}
