export type { Catalog, CatalogOptions, ListOptions, ModelInspection, WriteOptions } from "./catalog.ts";
export type { CatalogEntry } from "./catalog-entry.ts";
export { createCatalog } from "./create-catalog.ts";
