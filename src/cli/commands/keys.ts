import { RouterError } from "../../errors.ts";
import { directoriesFrom } from "../../platform/index.ts";
import { addApiKey, KEY_SCOPES, readApiKeys, removeApiKey, type KeyScope } from "../../router/index.ts";
import { EXIT } from "../exit-codes.ts";
import { findServer } from "../server-state.ts";
import { formatTable } from "../table.ts";

/** Makes a key and prints it, once: only its hash is stored. */
export async function addKey(name: string, { scopes }: { scopes: string }): Promise<number> {
  const { cacheDir } = directoriesFrom(process.env);
  const key = await addApiKey(cacheDir, { name, scopes: parseScopes(scopes) });
  console.log(key);
  console.error("Keep it: it is not shown again.");
  await sayWhenItCounts();
  return EXIT.success;
}

export async function listKeys({ json = false }: { json?: boolean | undefined }): Promise<number> {
  const keys = readApiKeys(directoriesFrom(process.env).cacheDir, process.env);
  if (json)
    console.log(
      JSON.stringify(
        keys.map(({ name, scopes, createdAt }) => ({ name, scopes, createdAt })),
        undefined,
        2,
      ),
    );
  else if (keys.length === 0) console.log("There is no API key: the server listens on this machine only and asks for none.");
  else
    console.log(
      formatTable(
        ["Name", "Scopes", "Made"],
        keys.map(({ name, scopes, createdAt }) => [name, scopes.join(","), createdAt.slice(0, 10)]),
      ),
    );
  return EXIT.success;
}

export async function removeKey(name: string): Promise<number> {
  if (!(await removeApiKey(directoriesFrom(process.env).cacheDir, name)))
    throw new RouterError("CONFIG_INVALID", `There is no API key named ${name}`);
  await sayWhenItCounts();
  return EXIT.success;
}

async function sayWhenItCounts(): Promise<void> {
  const server = await findServer(directoriesFrom(process.env).runDir);
  if (server !== undefined)
    console.error("The running server reads its keys at start: restart it with `lemonade stop` and `lemonade serve`.");
}

function parseScopes(text: string): KeyScope[] {
  return text.split(",").map((part) => {
    const scope = KEY_SCOPES.find((known) => known === part.trim());
    if (scope === undefined)
      throw new RouterError("CONFIG_INVALID", `--scopes: ${JSON.stringify(part)} is none of ${KEY_SCOPES.join(", ")}`);
    return scope;
  });
}
