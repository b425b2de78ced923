/**
 * Every code of the library's errors, with the kind and the HTTP status under which a server would report it. A code is
 * `<family>-<variant>`; it never changes, and a retired one is never used again. `upstream_status` stands for an answer of the engine:
 * there the kind and the status are the engine's own.
 */
export const LLAMA_SERVER_ERRORS = {
  "server_error-server_not_ready": { type: "service_unavailable", status: 503 },
  "server_error-startup_error": { type: "internal_server_error", status: 500 },
  "server_error-process_error": { type: "internal_server_error", status: 500 },
  "server_error-health_check_error": { type: "internal_server_error", status: 500 },
  "server_error-timeout_error": { type: "internal_server_error", status: 500 },
  "server_error-model_not_found": { type: "internal_server_error", status: 500 },
  "server_error-upstream_status": { type: "internal_server_error", status: 500 },
  "context_error-exec_not_exists": { type: "internal_server_error", status: 500 },
  reqwest_error: { type: "internal_server_error", status: 500 },
  "io_error-io": { type: "internal_server_error", status: 500 },
  "io_error-with_path": { type: "internal_server_error", status: 500 },
  "io_error-dir_create": { type: "internal_server_error", status: 500 },
  "io_error-file_read": { type: "internal_server_error", status: 500 },
  "io_error-file_write": { type: "internal_server_error", status: 500 },
  "io_error-file_delete": { type: "internal_server_error", status: 500 },
  "builder_error-uninitialized_field": { type: "invalid_request_error", status: 400 },
  "builder_error-validation_error": { type: "invalid_request_error", status: 400 },
} as const satisfies Record<string, { readonly type: string; readonly status: number }>;

/** A stable code of {@link LlamaProcessError}: branch on it, never on message text. */
export type LlamaServerErrorCode = keyof typeof LLAMA_SERVER_ERRORS;
