import { importLater, Lazy } from "../platform/index.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";

/**
 * Makes a catalog. The first question loads the code behind it and the registry: a server listens before it knows a single model.
 */
export function createCatalog(options: CatalogOptions): Catalog {
  const catalog = new Lazy(async () => {
    const { DiskCatalog } = await importLater(() => import("./disk-catalog.ts"));
    return new DiskCatalog(options);
  });
  return {
    list: async (listOptions) => await (await catalog.get()).list(listOptions),
    find: async (id) => await (await catalog.get()).find(id),
    suggest: async (id) => await (await catalog.get()).suggest(id),
    locate: async (entry) => await (await catalog.get()).locate(entry),
    inspect: async (entry) => await (await catalog.get()).inspect(entry),
    pathsOf: async (entry) => await (await catalog.get()).pathsOf(entry),
    deletionOf: async (entry) => await (await catalog.get()).deletionOf(entry),
    planPull: async (request) => await (await catalog.get()).planPull(request),
    register: async (entry, writeOptions) => await (await catalog.get()).register(entry, writeOptions),
    unregister: async (id, writeOptions) => await (await catalog.get()).unregister(id, writeOptions),
    async [Symbol.asyncDispose]() {
      await (await catalog.made)?.[Symbol.asyncDispose]();
    },
  };
}
