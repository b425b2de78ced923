import { errorMessage, RouterError } from "../errors.ts";
import { isTooDeep } from "./security/index.ts";

export interface Body {
  /** The bytes as they came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What they say. */
  readonly value: unknown;
}

/** The largest JSON body, in bytes: that of llama-server. */
const MAX_BYTES = 100 * 2 ** 20;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a JSON body once and parses it once, whatever its content type claims (curl sends a form's). An empty body counts as an object
 * without fields.
 */
export async function readBody(request: Request): Promise<Body> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return { bytes, value: {} };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new RouterError("BODY_NOT_JSON", `The request body is not JSON: ${errorMessage(error)}`, { cause: error });
  }
  if (isTooDeep(value)) throw new RouterError("INVALID_REQUEST", "The request body is nested too deeply");
  return { bytes, value };
}

/** A body as it came. */
async function readBytes(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > MAX_BYTES) throw tooLarge();
  if (length !== null || request.body === null) return new Uint8Array(await request.arrayBuffer());
  // A body in chunks tells its size only by its end.
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(): RouterError {
  return new RouterError("PAYLOAD_TOO_LARGE", `The request body is larger than ${MAX_BYTES / 2 ** 20} MiB`);
}
