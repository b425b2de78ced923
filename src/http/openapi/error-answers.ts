import type * as v from "valibot";
import { renderError } from "../../dialects/index.ts";
import { RouterError, type ErrorCode } from "../../errors.ts";
import type { Endpoint } from "../endpoint.ts";

/** What any request may meet before its endpoint sees it. */
const ALWAYS: readonly ErrorCode[] = ["HOST_NOT_ALLOWED", "ORIGIN_NOT_ALLOWED", "INTERNAL"];
const WITH_KEY: readonly ErrorCode[] = ["UNAUTHORIZED", "FORBIDDEN"];
const WITH_INPUT: readonly ErrorCode[] = ["INVALID_REQUEST"];
const WITH_BODY: readonly ErrorCode[] = ["INVALID_REQUEST", "PAYLOAD_TOO_LARGE"];

const NAMING_A_MODEL: readonly ErrorCode[] = ["MODEL_NOT_FOUND", "MODEL_NOT_DOWNLOADED", "VARIANT_NOT_FOUND", "NOT_A_GGUF"];

const USING_AN_ENGINE: readonly ErrorCode[] = [
  "WRONG_MODEL_KIND",
  "RECIPE_UNSUPPORTED",
  "CONFIG_INVALID",
  "BACKEND_NOT_INSTALLED",
  "INSTALL_FAILED",
  "MODEL_LOAD_FAILED",
  "OUT_OF_MEMORY",
  "ENGINE_KEEPS_CRASHING",
  "MODEL_LIMIT_REACHED",
  "MODEL_NOT_LOADED",
  "MODEL_IN_USE",
  "QUEUE_FULL",
  "QUEUE_TIMEOUT",
  "INSTANCE_EXITED",
  "UPSTREAM_UNREACHABLE",
  "GENERATION_HALTED",
  "SHUTTING_DOWN",
];

const USING_THE_HUB: readonly ErrorCode[] = [
  "MODEL_NOT_REGISTERED",
  "MODEL_ALREADY_REGISTERED",
  "MODEL_NOT_DELETABLE",
  "VARIANT_AMBIGUOUS",
  "OFFLINE",
  "HUB_UNREACHABLE",
  "HUB_RATE_LIMITED",
  "HUB_UNAUTHORIZED",
  "HUB_GATED",
  "HUB_NOT_FOUND",
  "DOWNLOAD_FAILED",
  "DOWNLOAD_STOPPED",
  "DOWNLOAD_ELSEWHERE",
  "DOWNLOAD_NOT_FOUND",
  "CHECKSUM_MISMATCH",
  "DISK_FULL",
  "CACHE_NOT_WRITABLE",
];

/** The codes that an endpoint may answer with, by what it takes and what its scope lets it touch. */
function errorCodesOf({ paths, scope, query, body, form, relays = false, errors = [] }: Endpoint): ErrorCode[] {
  const takesBody = body !== undefined || form !== undefined;
  const codes = new Set<ErrorCode>([...ALWAYS, ...errors]);
  const add = (more: readonly ErrorCode[]) => more.forEach((code) => codes.add(code));
  if (scope !== "public") add(WITH_KEY);
  if (query !== undefined) add(WITH_INPUT);
  if (takesBody) add(WITH_BODY);
  if (paths[0]?.includes("/:") === true || namesModel(query) || namesModel(body)) add(NAMING_A_MODEL);
  if (relays) {
    // A model that is asked for may be fetched first, where the caller may do so.
    add(USING_AN_ENGINE);
    add(USING_THE_HUB);
  }
  if (scope === "manage") {
    add(USING_THE_HUB);
    if (takesBody) add(USING_AN_ENGINE);
  }
  return [...codes];
}

function namesModel(schema: v.GenericSchema | undefined): boolean {
  const { entries = {} } = (schema ?? {}) as { entries?: v.ObjectEntries };
  return ["model", "model_name", "checkpoint"].some((name) => name in entries);
}

/** Codes by the status that the endpoint's dialect sends them with, lowest first. */
export function errorsByStatus(endpoint: Endpoint): [status: number, codes: ErrorCode[]][] {
  const render = endpoint.renderError ?? renderError;
  const groups = Map.groupBy(errorCodesOf(endpoint), (code) => render(new RouterError(code, "")).status);
  return [...groups].toSorted(([a], [b]) => a - b);
}
