export type { Catalog, CatalogOptions, ListOptions, ModelInspection, WriteOptions } from "./catalog.ts";
export type { CatalogEntry } from "./catalog-entry.ts";
export { createCatalog } from "./create-catalog.ts";
export { beginUpload, deleteUpload } from "./begin-upload.ts";
export type { LocalUpload, UploadOptions } from "./local-upload.ts";
export type { UploadedModel } from "./uploaded-model.ts";
export { pathOfId } from "./path-of-id.ts";
export { findIncompatibleModels, removeIncompatibleModels, type ModelCaches } from "./incompatible-models.ts";
