import type { StartFailureReason } from "../../explain-start-failure.ts";
import type { LlamaServerErrorCode } from "./error-codes.ts";
import { GERMAN_MESSAGES } from "./messages-german.ts";

/**
 * Texts by key. A key is an error code, or `start_failure-` and the reason of a failed start. In a text `{name}` stands for an argument
 * of the error and `{name, number}` for one that is written as the language writes numbers; `{$name}` and `{0}` (for `var_0`) are
 * understood, too, so that catalogs written for earlier message files stay usable.
 */
export type MessageCatalog = Readonly<Record<string, string>>;

/** The keys of a catalog that leaves nothing untranslated. */
export type MessageKey = LlamaServerErrorCode | `start_failure-${StartFailureReason}`;

/** The English texts; they are also the `message` of every error. */
export const ENGLISH_MESSAGES = {
  "server_error-server_not_ready": "Model server is starting up. Please wait and try again.",
  "server_error-startup_error": "Failed to start model server: {var_0}.",
  "server_error-process_error": "Model server process error: {var_0}.",
  "server_error-health_check_error": "Model server health check failed: {var_0}.",
  "server_error-timeout_error": "Model server did not respond within {var_0, number} seconds.",
  "server_error-model_not_found": "Model file does not exist: {var_0}.",
  "server_error-upstream_status": "Model server answered with status {var_0}: {var_1}",
  "context_error-exec_not_exists": "Model executable not found: {var_0}.",
  reqwest_error: "Network error: {error}.",
  "io_error-io": "File operation failed: {source}.",
  "io_error-with_path": "File operation failed for {path}: {source}.",
  "io_error-dir_create": "Failed to create folder {path}: {source}.",
  "io_error-file_read": "Failed to read file {path}: {source}.",
  "io_error-file_write": "Failed to write file {path}: {source}.",
  "io_error-file_delete": "Failed to delete file {path}: {source}.",
  "builder_error-uninitialized_field": "The option {var_0} is missing.",
  "builder_error-validation_error": "The options are not valid: {var_0}.",
  "start_failure-port_taken": "its port was taken",
  "start_failure-missing_library": "a shared library is missing on this machine",
  "start_failure-old_driver": "the GPU driver is too old for this build",
  "start_failure-unknown_argument": "it does not know one of its arguments",
  "start_failure-wrong_argument_value": "the value of one of its arguments is missing or wrong",
  "start_failure-out_of_memory": "there is not enough memory",
  "start_failure-not_a_gguf": "the file is not a GGUF model",
  "start_failure-unknown_architecture": "this build does not know the model's architecture",
  "start_failure-damaged_model": "the model file is damaged or incomplete",
  "start_failure-unreadable_model": "the model file cannot be opened",
  "start_failure-bad_chat_template": "the model's chat template is not valid for this build",
} as const satisfies Record<MessageKey, string>;

/**
 * The wording of the first generation of message files, under its own keys, for programs whose logs or tests know it. What it did not
 * have comes from {@link ENGLISH_MESSAGES}.
 */
export const FIRST_GENERATION_MESSAGES = {
  "server_error-server_not_ready": "server not ready: the server process has not completed initialization",
  "server_error-startup_error": "failed to start server: {$var_0}",
  "server_error-process_error": "server process error: {$var_0}",
  "server_error-health_check_error": "server health check failed: {$var_0}",
  "server_error-timeout_error": "server health check timed out after {$var_0} seconds",
  reqwest_error: "error connecting to internal service: {$error}",
  io_error: "io_error: {$source}",
  "io_error-io": "io_error: {$source}",
  "builder_error-uninitialized_field": "builder_error: uninitialized field: {$var_0}",
  "builder_error-validation_error": "builder_error: validation error: {$var_0}",
} as const satisfies MessageCatalog;

const CATALOGS: Readonly<Record<string, MessageCatalog>> = { en: ENGLISH_MESSAGES, de: GERMAN_MESSAGES };

/** The languages that {@link formatError} knows by itself. */
export const MESSAGE_LANGUAGES: readonly string[] = Object.keys(CATALOGS);

/** What {@link formatError} needs of an error: those of this library have it, and so has their `toJSON()` form. */
export interface LocalizableError {
  readonly message: string;
  readonly code: string;
  readonly args: Readonly<Record<string, string>>;
  /** Why a start failed: its text is translated apart. */
  readonly reason?: string | undefined;
}

/**
 * The message of an error in a language.
 * @param error - An error of this library, or its `toJSON()` form; of anything else the message is returned as it is.
 * @param language - A language tag (`de`, `de-AT`, `de_DE.UTF-8`) or a catalog of your own. Defaults to English, also for a language
 *   that has no catalog; a text that a catalog lacks is taken from the English one.
 */
export function formatError(error: unknown, language: string | MessageCatalog = "en"): string {
  if (!isLocalizable(error)) return error instanceof Error ? error.message : String(error);
  const tag = typeof language === "string" ? primaryLanguage(language) : "en";
  const catalog: MessageCatalog = typeof language === "string" ? (CATALOGS[tag] ?? ENGLISH_MESSAGES) : language;
  const textOf = (key: string): string | undefined => catalog[key] ?? (ENGLISH_MESSAGES as MessageCatalog)[key];
  const template = textOf(error.code);
  if (template === undefined) return error.message;
  const reason = error.reason === undefined ? undefined : textOf(`start_failure-${error.reason}`);
  return fillTemplate(template, reason === undefined ? error.args : translateReason(error.args, error.reason, reason), tag);
}

/** Puts arguments into a text; a slot without an argument stays as it is, so that the fault can be seen. */
export function fillTemplate(template: string, args: Readonly<Record<string, string>>, language: string): string {
  return template.replace(/\{\s*\$?(\w+)\s*(,\s*number\s*)?\}/g, (slot, name: string, asNumber: string | undefined) => {
    const value = args[/^\d+$/.test(name) ? `var_${name}` : name];
    if (value === undefined) return slot;
    return asNumber !== undefined && value !== "" && Number.isFinite(Number(value))
      ? new Intl.NumberFormat(language).format(Number(value))
      : value;
  });
}

/** The English reason at the head of the first argument gives way to its translation; details after it (`exit code 1`) stay. */
function translateReason(args: Readonly<Record<string, string>>, reason: string | undefined, translated: string): Record<string, string> {
  const english = (ENGLISH_MESSAGES as MessageCatalog)[`start_failure-${reason}`];
  const text = args["var_0"] ?? "";
  return english !== undefined && text.startsWith(english) ? { ...args, var_0: translated + text.slice(english.length) } : { ...args };
}

function primaryLanguage(tag: string): string {
  try {
    // A POSIX locale (de_DE.UTF-8@euro) has other separators and an encoding.
    return new Intl.Locale(tag.replace(/[.@].*$/, "").replaceAll("_", "-")).language;
  } catch {
    return "en"; // "C" and whatever else is no language tag.
  }
}

function isLocalizable(error: unknown): error is LocalizableError {
  if (typeof error !== "object" || error === null) return false;
  const { message, code, args } = error as Partial<LocalizableError>;
  return typeof message === "string" && typeof code === "string" && typeof args === "object" && args !== null;
}
