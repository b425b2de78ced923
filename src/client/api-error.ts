/** An error that the server answered with. */
export class LemonadeApiError extends Error {
  override readonly name = "LemonadeApiError";
  /** HTTP status. */
  readonly status: number;
  /** Code of the server's catalogue in lower case, such as `model_not_found`; undefined when something else answered. */
  readonly code: string | undefined;

  constructor(message: string, { status, code }: { status: number; code: string | undefined }) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface ErrorFields {
  readonly message?: string;
  /** An engine's own errors have a number here, which is the status again. */
  readonly code?: string | number;
}

const codeOf = ({ code }: ErrorFields): string | undefined => (typeof code === "string" ? code : undefined);

/** The error of a refused request, from whatever its body holds. */
export async function apiErrorOf(response: Response): Promise<LemonadeApiError> {
  const text = await response.text();
  const { status } = response;
  try {
    const { error } = JSON.parse(text) as { error?: ErrorFields };
    if (error?.message !== undefined) return new LemonadeApiError(error.message, { status, code: codeOf(error) });
  } catch {
    // Not JSON: something else answers on that port.
  }
  return new LemonadeApiError(`The server answered ${status}: ${text.slice(0, 500)}`, { status, code: undefined });
}

/** The error that an event of a stream is, or undefined when it is none; the state of a download may name one as text. */
export function apiErrorOfEvent(data: unknown): LemonadeApiError | undefined {
  const error = (data as { error?: ErrorFields | string | null } | null)?.error;
  if (typeof error !== "object" || error === null) return undefined;
  return new LemonadeApiError(error.message ?? "The stream broke off", { status: 200, code: codeOf(error) });
}
