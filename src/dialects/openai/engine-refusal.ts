/** How llama.cpp begins when it could not make sense of what a client sent, but says that the fault is its own. */
const MISTAKES = [
  "[json.exception.",
  "Failed to parse",
  "Unable to generate parser",
  '"prompt" must not be empty',
  '"prompt" elements must be',
  "JSON schema conversion failed",
  "Unsupported tool type",
  "image input is not supported",
  "audio input is not supported",
  "video input is not supported",
];

export interface EngineRefusal {
  readonly status: number;
  readonly body: string;
}

/**
 * An engine's error in the form that every known client reads: what the engine says stays, and beside it its text stands where Lemonade's
 * clients look. When the request is what was wrong the status is 400: llama-server answers 500 to whatever its parsers throw, and clients
 * of OpenAI's send such a request again. Undefined for a body that is no error in JSON.
 */
export function readableRefusal({ status, body: text }: EngineRefusal): EngineRefusal | undefined {
  const body = parse(text);
  const error = typeof body?.["error"] === "string" ? { message: body["error"] } : body?.["error"];
  if (!isFields(error) || typeof error["message"] !== "string") return undefined;
  const { message } = error;
  const isMistake = status === 500 && MISTAKES.some((start) => message.startsWith(start));
  const mended = isMistake ? { ...error, code: 400, type: "invalid_request_error" } : error;
  return {
    status: isMistake ? 400 : status,
    body: JSON.stringify({ ...body, error: mended, detail: message, status: "error", message }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined; // Not llama.cpp's.
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
