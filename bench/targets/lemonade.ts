import { join } from "node:path";
import { makeFolder, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";

export const ROOT = join(import.meta.dir, "..", "..");
export const LEMONADE = join(ROOT, "bin", "lemonade");
const MOCK = join(ROOT, "bench", "mock-engine", "llama-server");

/** A running `lemonade serve` that takes the mock for its llama-server. */
export interface LemonadeServer extends AsyncDisposable {
  readonly baseUrl: string;
  readonly pid: number;
  readonly cacheDir: string;
  /** From exec to the first 200 of its health endpoint, in milliseconds. */
  readonly startMs: number;
}

/** Starts the command of the checkout, or another one, with further variables. */
export async function startLemonade(command = LEMONADE, variables: Readonly<Record<string, string>> = {}): Promise<LemonadeServer> {
  const folder = await makeFolder("lemonade");
  const port = await freePort();
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LEMONADE_"));
  const env = { ...Object.fromEntries(inherited), ...variables, LEMONADE_CACHE_DIR: folder.path };
  const startedMs = performance.now();
  const child = startChild([command, "serve", `--port=${port}`, `--llamacpp-bin=${MOCK}`, "--log-level=warning"], { folder, env });
  const baseUrl = `http://127.0.0.1:${port}`;
  try {
    const startMs = (await firstAnswer(`${baseUrl}/api/v1/health`, child.hasEnded)) - startedMs;
    return { baseUrl, pid: child.pid, cacheDir: folder.path, startMs, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** The time at which the URL first answered 200, asked every millisecond. */
async function firstAnswer(url: string, hasEnded: () => boolean): Promise<number> {
  while (!hasEnded()) {
    try {
      const response = await fetch(url);
      await response.arrayBuffer();
      if (response.status === 200) return performance.now();
    } catch {
      // Nobody listens yet.
    }
    await Bun.sleep(1);
  }
  throw new Error("lemonade serve ended before it answered");
}

/** The engine behind a lemonade that has loaded it. */
export interface MockFacts {
  readonly baseUrl: string;
  readonly pid: number;
  readonly readyMs: number;
  readonly firstRequestMs: number | null;
}

export async function loadMock(server: LemonadeServer): Promise<void> {
  const response = await fetch(`${server.baseUrl}/api/v1/load`, { method: "POST", body: JSON.stringify({ model_name: "tiny" }) });
  if (response.status !== 200) throw new Error(`The mock was not loaded: ${await response.text()}`);
}

export async function mockFacts(server: LemonadeServer): Promise<MockFacts> {
  const health = (await (await fetch(`${server.baseUrl}/api/v1/health`)).json()) as {
    all_models_loaded: readonly { backend_url: string; pid: number }[];
  };
  const [model] = health.all_models_loaded;
  if (model === undefined) throw new Error("lemonade has no model loaded");
  const baseUrl = new URL(model.backend_url).origin;
  const facts = (await (await fetch(`${baseUrl}/bench/facts`)).json()) as Pick<MockFacts, "readyMs" | "firstRequestMs">;
  return { baseUrl, pid: model.pid, ...facts };
}
