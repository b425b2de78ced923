export { createCatalog, type Catalog, type CatalogOptions, type ListOptions } from "./catalog.ts";
export type { CatalogEntry } from "./catalog-entry.ts";
