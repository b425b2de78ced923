import * as v from "valibot";

/** The parts of the hub's answers that we read. Loose: new fields are no error. */

const Sha = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/));
const Size = v.pipe(v.number(), v.integer(), v.minValue(0));
const Gated = v.optional(v.union([v.boolean(), v.string()]), false);

export const ModelInfoAnswer = v.looseObject({
  id: v.string(),
  sha: Sha,
  private: v.optional(v.boolean(), false),
  gated: Gated,
  downloads: v.optional(v.number(), 0),
  likes: v.optional(v.number(), 0),
  lastModified: v.optional(v.string()),
});

export const TreeAnswer = v.array(
  v.looseObject({
    type: v.string(),
    path: v.string(),
    oid: v.optional(v.string()),
    size: v.optional(Size, 0),
    lfs: v.nullish(v.looseObject({ oid: v.string(), size: Size })),
  }),
);

export const SearchAnswer = v.array(
  v.looseObject({
    id: v.string(),
    downloads: v.optional(v.number(), 0),
    likes: v.optional(v.number(), 0),
    private: v.optional(v.boolean(), false),
    gated: Gated,
    lastModified: v.optional(v.string()),
  }),
);
