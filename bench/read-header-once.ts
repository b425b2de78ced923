import { createCatalog } from "../src/catalog/index.ts";

// Reads one header in a fresh process and prints the milliseconds; bench/scenarios/catalog.ts starts it.
const [path = ""] = process.argv.slice(2);
const catalog = createCatalog({ cacheDir: "/nowhere", hubCacheDir: "/nowhere", modelsDirs: [] });
const entry = await catalog.find(path);
const startedMs = performance.now();
if (entry === undefined || (await catalog.inspect(entry)) === undefined) throw new Error(`${path} is no model`);
console.log(performance.now() - startedMs);
