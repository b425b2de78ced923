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

/**
 * The body of an engine's error as one of status 400, when the request is what was wrong; otherwise undefined. llama-server answers 500
 * to whatever its parsers throw, and clients of OpenAI's send such a request again.
 */
export function mendRefusal(text: string): string | undefined {
  let body: { readonly error?: { readonly message?: unknown } };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    return undefined; // Not llama.cpp's.
  }
  const message = body.error?.message;
  if (typeof message !== "string" || !MISTAKES.some((start) => message.startsWith(start))) return undefined;
  return JSON.stringify({ ...body, error: { ...body.error, code: 400, type: "invalid_request_error" } });
}
