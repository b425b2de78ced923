import { importLater } from "../platform/index.ts";
import type { Catalog, CatalogOptions } from "./catalog.ts";

/**
 * Makes a catalog. The first question loads the code behind it and the registry: a server listens before it knows a single model.
 */
export function createCatalog(options: CatalogOptions): Catalog {
  let loading: Promise<Catalog> | undefined;
  const load = async (): Promise<Catalog> => {
    loading ??= importLater(() => import("./disk-catalog.ts")).then(({ DiskCatalog }) => new DiskCatalog(options));
    loading.catch(() => (loading = undefined)); // It may work the next time: too many files were open.
    return await loading;
  };
  return {
    list: async (listOptions) => await (await load()).list(listOptions),
    find: async (id) => await (await load()).find(id),
    suggest: async (id) => await (await load()).suggest(id),
    locate: async (entry) => await (await load()).locate(entry),
    inspect: async (entry) => await (await load()).inspect(entry),
    pathsOf: async (entry) => await (await load()).pathsOf(entry),
    deletionOf: async (entry) => await (await load()).deletionOf(entry),
    planPull: async (request) => await (await load()).planPull(request),
    register: async (entry, writeOptions) => await (await load()).register(entry, writeOptions),
    unregister: async (id, writeOptions) => await (await load()).unregister(id, writeOptions),
    async [Symbol.asyncDispose]() {
      await (await loading)?.[Symbol.asyncDispose]();
    },
  };
}
