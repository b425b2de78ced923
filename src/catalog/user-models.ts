import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { RouterError, errorMessage } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { acquireFileLock, writeFileAtomic } from "../platform/index.ts";
import { readRegistryEntry } from "./registry-entry.ts";
import { isSettled } from "./time-stamps.ts";

/** User models are named so everywhere but in their file, which keeps them apart from the registry's. */
export const USER_PREFIX = "user.";

/** A holder needs a few milliseconds. */
const LOCK_POLL_MS = 15;

type JsonObject = Readonly<Record<string, unknown>>;

interface ReadState {
  readonly stamp: string;
  readonly isSettled: boolean;
  readonly entries: ReadonlyMap<string, ModelEntry>;
}

const NONE: ReadonlyMap<string, ModelEntry> = new Map();

/**
 * The models in `user_models.json`. Other programs read and write the same file: it is looked at on every call, changed under a
 * lock, replaced atomically, and whatever in it is not ours stays.
 */
export class UserModels {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  #read: ReadState | undefined;

  constructor(cacheDir: string, warn: (message: string) => void) {
    this.#path = join(cacheDir, "user_models.json");
    this.#warn = warn;
  }

  /** By id, with the prefix. The same object as long as the file does not change. A corrupt file counts as empty, with a warning. */
  async load(): Promise<ReadonlyMap<string, ModelEntry>> {
    const facts = await stat(this.#path).catch(() => undefined);
    if (!facts) {
      this.#read = undefined;
      return NONE;
    }
    const stamp = `${facts.ino} ${facts.size} ${facts.mtimeMs}`;
    if (this.#read?.stamp === stamp && this.#read.isSettled) return this.#read.entries;
    let entries = NONE;
    try {
      entries = toEntries(await this.#readFile());
    } catch (error) {
      if (this.#read?.stamp !== stamp) this.#warn(`${errorMessage(error)}; continuing without user models`);
    }
    this.#read = { stamp, isSettled: isSettled(facts.mtimeMs, Date.now()), entries };
    return entries;
  }

  /** Adds or replaces one model; fields of an existing entry that the new one does not name stay. */
  async set(id: string, fields: JsonObject, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const key = keyOf(id);
    await this.#change((models) => {
      const existing = models[key];
      return { ...models, [key]: { ...(isObject(existing) ? existing : {}), ...fields } };
    }, options);
  }

  /** Whether the model was there. */
  async remove(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    const key = keyOf(id);
    let wasThere = false;
    await this.#change((models) => {
      wasThere = Object.hasOwn(models, key);
      return wasThere ? Object.fromEntries(Object.entries(models).filter(([name]) => name !== key)) : models;
    }, options);
    return wasThere;
  }

  async #change(edit: (models: JsonObject) => JsonObject, options: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    await using _lock = await acquireFileLock(`${this.#path}.lock`, { pollMs: LOCK_POLL_MS, ...options });
    const before = await this.#readFile();
    const after = edit(before);
    // Two spaces: what the other programs write, and readable for people who edit it.
    if (after !== before) await writeFileAtomic(this.#path, `${JSON.stringify(after, undefined, 2)}\n`);
  }

  /** @throws {@link RouterError} `CONFIG_INVALID`: a file that cannot be understood is not overwritten either. */
  async #readFile(): Promise<JsonObject> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
      throw error;
    }
    if (text.trim() === "") return {};
    try {
      const value: unknown = JSON.parse(text);
      if (isObject(value)) return value;
    } catch (error) {
      throw new RouterError("CONFIG_INVALID", `${this.#path} is not valid JSON (${errorMessage(error)})`, {
        cause: error,
        hint: "Repair it or move it away.",
      });
    }
    throw new RouterError("CONFIG_INVALID", `${this.#path} does not hold a JSON object`, { hint: "Repair it or move it away." });
  }
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

const keyOf = (id: string): string => (id.startsWith(USER_PREFIX) ? id.slice(USER_PREFIX.length) : id);

function toEntries(models: JsonObject): ReadonlyMap<string, ModelEntry> {
  const entries = new Map<string, ModelEntry>();
  for (const [name, fields] of Object.entries(models)) {
    const entry = readRegistryEntry(`${USER_PREFIX}${name}`, fields, { source: "user", isSuggestedByDefault: true });
    if (entry) entries.set(entry.id, entry);
  }
  return entries;
}
