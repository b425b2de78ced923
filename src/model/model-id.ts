/** What a client asks for: a registry name, `user.NAME`, a checkpoint such as `org/repo:QUANT`, or a path. */
export type ModelId = string & { readonly __brand: "ModelId" };
