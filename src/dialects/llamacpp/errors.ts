import { RouterError, type ErrorCode } from "../../errors.ts";
import { renderError, type ErrorBody } from "../openai/errors.ts";

/** llama.cpp's own status where it differs from that of our code. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  MODEL_NOT_FOUND: 400,
  MODEL_NOT_DOWNLOADED: 500,
  OUT_OF_MEMORY: 500,
  MODEL_LOAD_FAILED: 500,
  NOT_A_GGUF: 500,
  RECIPE_UNSUPPORTED: 500,
  BACKEND_NOT_INSTALLED: 500,
  CONFIG_INVALID: 500,
  WRONG_MODEL_KIND: 501,
  INSTANCE_EXITED: 500,
  MODEL_UNLOADED: 500,
  UPSTREAM_UNREACHABLE: 500,
  MODEL_LIMIT_REACHED: 500,
  BODY_NOT_JSON: 500,
};

const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  501: "not_supported_error",
  503: "unavailable_error",
};

export interface LlamaCppErrorBody {
  readonly error: Omit<ErrorBody["error"], "code"> & {
    /** The HTTP status, as a number. */
    readonly code: number;
    /** The stable code of ours. */
    readonly reason: string;
  };
  readonly detail: string;
  readonly status: "error";
  readonly message: string;
}

/**
 * An error on llama.cpp's own paths: status, type and a numeric `code` are its, the rest of the body is the one that all other clients
 * can read too. `status` overrides what the code says, where one route differs from the others.
 */
export function renderLlamaCppError(error: unknown, redact?: (text: string) => string): { status: number; body: LlamaCppErrorBody } {
  const { body, status: ours } = renderError(error, redact);
  const code = error instanceof RouterError ? error.code : "INTERNAL";
  const status = (error instanceof LlamaCppError ? error.status : undefined) ?? STATUS[code] ?? ours;
  const type = TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error");
  return { status, body: { ...body, error: { ...body.error, type, code: status, reason: body.error.code } } };
}

/** An error with the status that llama.cpp's router gives on one route only. */
export class LlamaCppError extends RouterError {
  override readonly name = "LlamaCppError";
  readonly status: number | undefined;

  constructor(code: ErrorCode, message: string, options: { status?: number; hint?: string | undefined; cause?: unknown } = {}) {
    super(code, message, options);
    this.status = options.status;
  }
}

/**
 * What a relayed request says when its model cannot be used, in llama.cpp's words and with the reason behind them. A model whose files
 * are not here does not exist for llama.cpp, unless it is in the list all the same.
 */
export function explainUseFailure(model: string, error: unknown, { isListed }: { isListed: boolean }): unknown {
  if (!(error instanceof RouterError)) return error;
  const isUnknown = error.code === "MODEL_NOT_FOUND" || (error.code === "MODEL_NOT_DOWNLOADED" && !isListed);
  if (isUnknown) return new LlamaCppError(error.code, `model '${model}' not found`, { status: 400, hint: error.hint, cause: error });
  switch (error.code) {
    case "MODEL_NOT_DOWNLOADED":
    case "OUT_OF_MEMORY":
    case "MODEL_LOAD_FAILED":
    case "NOT_A_GGUF":
    case "RECIPE_UNSUPPORTED":
    case "BACKEND_NOT_INSTALLED":
    case "CONFIG_INVALID":
      return new LlamaCppError(error.code, `model name=${model} failed to load: ${error.message}`, { hint: error.hint, cause: error });
    default:
      return error;
  }
}
