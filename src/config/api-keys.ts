import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { errorMessage, RouterError } from "../errors.ts";
import { nodeCrypto, sha256, writeFileAtomic } from "../platform/index.ts";

/** What a key allows: asking models, managing them (load, pull, delete), administering the server (logs, levels, engines). */
export const KEY_SCOPES = ["infer", "manage", "admin"] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

const StoredKey = v.object({
  name: v.string(),
  /** SHA-256 of the key, in hexadecimal: keys are long random texts, so a slow hash would protect nothing more. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  scopes: v.array(v.picklist(KEY_SCOPES)),
  createdAt: v.string(),
});

/** A key without its secret. */
export type ApiKey = v.InferOutput<typeof StoredKey>;

const fileOf = (cacheDir: string) => join(cacheDir, "api_keys.json");

/** The keys of a server, read once at its start: those on disk and the one of `LEMONADE_API_KEY`, which may do everything. */
export function readApiKeys(cacheDir: string, env: Readonly<Record<string, string | undefined>> = {}): ApiKey[] {
  const fromEnvironment = env["LEMONADE_API_KEY"];
  const keys = readStored(cacheDir);
  if (!fromEnvironment) return keys;
  return [...keys, { name: "LEMONADE_API_KEY", sha256: sha256(fromEnvironment).toString("hex"), scopes: [...KEY_SCOPES], createdAt: "" }];
}

function readStored(cacheDir: string): ApiKey[] {
  let text: string;
  try {
    text = readFileSync(fileOf(cacheDir), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  try {
    return v.parse(v.array(StoredKey), JSON.parse(text));
  } catch (error) {
    // Going on without keys would open a server that its owner had closed.
    throw new RouterError("CONFIG_INVALID", `${fileOf(cacheDir)} is damaged: ${errorMessage(error)}`, { cause: error });
  }
}

/** A key that may do everything and is stored nowhere: the command's own way into the server that it finds running. */
export async function temporaryApiKey(name: string): Promise<{ readonly secret: string; readonly key: ApiKey }> {
  const secret = randomText();
  const sha256 = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(secret))).toString("hex");
  return { secret, key: { name, sha256, scopes: [...KEY_SCOPES], createdAt: new Date().toISOString() } };
}

/** Makes a key and stores its hash. The key itself is returned once and kept nowhere. */
export async function addApiKey(cacheDir: string, { name, scopes }: { name: string; scopes: readonly KeyScope[] }): Promise<string> {
  const keys = readStored(cacheDir);
  if (keys.some((key) => key.name === name)) throw new RouterError("CONFIG_INVALID", `There is a key named ${name} already`);
  const key = `lk-${randomText()}`;
  await store(cacheDir, [...keys, { name, sha256: sha256(key).toString("hex"), scopes: [...scopes], createdAt: new Date().toISOString() }]);
  return key;
}

/** Removes a key; false when there is none of that name. */
export async function removeApiKey(cacheDir: string, name: string): Promise<boolean> {
  const keys = readStored(cacheDir);
  const rest = keys.filter((key) => key.name !== name);
  if (rest.length < keys.length) await store(cacheDir, rest);
  return rest.length < keys.length;
}

async function store(cacheDir: string, keys: readonly ApiKey[]): Promise<void> {
  const path = fileOf(cacheDir);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: 0o600 });
}

/** The stored key that a presented text is. Every key is compared, each in constant time, so that timing tells nothing. */
export function matchApiKey(keys: readonly ApiKey[], presented: string): ApiKey | undefined {
  const hash = sha256(presented);
  const { timingSafeEqual } = nodeCrypto();
  let match: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(hash, Buffer.from(key.sha256, "hex"))) match = key;
  return match;
}

function randomText(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url");
}
