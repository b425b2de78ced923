type Node = Record<string, unknown>;

/** llama.cpp's paths answer as its router does, with 500 to mistakes of clients; all others have statuses of ours. */
export type PathSet = "llama.cpp" | "ours";

/**
 * The description of one set of paths, with names that mean something where it says "any text": made-up requests would otherwise end at
 * models that do not exist. Aliases are left out: their endpoints are the same ones.
 */
export function knownNames(document: unknown, { repo, set }: { readonly repo: string; readonly set: PathSet }): unknown {
  const { paths, ...rest } = structuredClone(document) as Node & { paths: Record<string, Node> };
  const kept = Object.entries(paths).filter(([, item]) => !("$ref" in item) && isLlamaCpp(item) === (set === "llama.cpp"));
  for (const [path, item] of kept) {
    const names: Readonly<Record<string, string>> = { ...namesFor(modelFor(path)), checkpoint: `${repo}:Q4_0` };
    for (const operation of Object.values(item) as Node[]) {
      replace(operation["requestBody"], names);
      for (const parameter of (operation["parameters"] ?? []) as { name: string; schema: unknown }[]) {
        const name = names[parameter.name];
        if (name !== undefined) parameter.schema = { type: "string", enum: [name] };
      }
    }
  }
  return { ...rest, paths: Object.fromEntries(kept) };
}

function isLlamaCpp(item: Node): boolean {
  return Object.values(item).some((operation) => (operation as { tags?: string[] }).tags?.some((tag) => tag.startsWith("llama.cpp")));
}

function modelFor(path: string): string {
  if (path.includes("embedding")) return "tiny-embedding";
  return path.includes("rerank") ? "tiny-reranking" : "tiny";
}

function namesFor(model: string): Readonly<Record<string, string>> {
  return { model, model_name: model, id: model };
}

function replace(node: unknown, names: Readonly<Record<string, string>>): void {
  if (typeof node !== "object" || node === null) return;
  const { properties } = node as { properties?: Node };
  for (const [name, value] of Object.entries(names))
    if (properties?.[name] !== undefined) properties[name] = { type: "string", enum: [value] };
  for (const child of Object.values(node)) replace(child, names);
}
