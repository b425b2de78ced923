/** The most letters by which two names may differ and still be mistaken for one another. */
const tolerance = (name: string): number => Math.min(4, Math.max(2, Math.floor(name.length / 3)));

const plain = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^user\./, "")
    .replace(/[-_.: /]+/g, "");

/**
 * Damerau-Levenshtein distance (neighbouring letters swapped count once), given up above `limit`. Only the cells near the diagonal
 * are computed: the others cannot stay within the limit, and an error message must not hold up a server with thousands of names.
 */
function editDistance(a: string, b: string, limit: number): number {
  const tooFar = limit + 1;
  if (Math.abs(a.length - b.length) > limit) return tooFar;
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row: number[] = Array.from({ length: b.length + 1 }, () => tooFar);
    if (i <= limit) row[0] = i;
    let best = tooFar;
    for (let j = Math.max(1, i - limit); j <= Math.min(b.length, i + limit); j += 1) {
      const substitution = (previous[j - 1] ?? tooFar) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min((previous[j] ?? tooFar) + 1, (row[j - 1] ?? tooFar) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (older[j - 2] ?? tooFar) + 1);
      row[j] = cost;
      best = Math.min(best, cost);
    }
    if (best >= tooFar) return tooFar;
    older = previous;
    previous = row;
  }
  return previous[b.length] ?? tooFar;
}

/**
 * The names closest to what was typed, best first: the same but for case and punctuation, then those that begin with it or contain
 * it, then those a few letters away.
 */
export function closeNames(typed: string, names: Iterable<string>, { limit = 3 }: { readonly limit?: number } = {}): string[] {
  const wanted = plain(typed);
  if (wanted === "") return [];
  const allowed = tolerance(wanted);
  const scored: { readonly name: string; readonly score: number }[] = [];
  for (const name of names) {
    const candidate = plain(name);
    let score: number;
    if (candidate === wanted) score = 0;
    else if (wanted.length >= 3 && candidate.startsWith(wanted)) score = 1;
    else if (wanted.length >= 3 && candidate.includes(wanted)) score = 1.5;
    else {
      score = 1 + editDistance(wanted, candidate, allowed);
      if (score > 1 + allowed) continue;
    }
    scored.push({ name, score });
  }
  const off = (name: string): number => Math.abs(name.length - typed.length);
  scored.sort((a, b) => a.score - b.score || off(a.name) - off(b.name) || (a.name < b.name ? -1 : 1));
  return [...new Set(scored.map(({ name }) => name))].slice(0, limit);
}
