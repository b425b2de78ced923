interface Entry {
  /** `undefined` for words before the first flag. */
  readonly flag: string | undefined;
  readonly words: readonly string[];
}

/**
 * Merges layers of engine arguments, from the least to the most important, such as those of all models, of one build and of one model.
 * A flag and the words after it that are no flags form one entry (`-1`, `-0.5` and a lone `-` are values); the entries of a flag in a
 * layer replace those in the layers before. An entry stands where the layer that won puts it, so that of two spellings of one option
 * the more important layer comes last, and the engine takes that one.
 */
export function mergeArgs(...layers: readonly (readonly string[])[]): string[] {
  let merged: Entry[] = [];
  for (const layer of layers) {
    const entries = entriesOf(layer);
    const flags = new Set(entries.map(({ flag }) => flag));
    merged = [...merged.filter(({ flag }) => flag === undefined || !flags.has(flag)), ...entries];
  }
  return merged.flatMap(({ words }) => words);
}

function entriesOf(words: readonly string[]): Entry[] {
  const entries: { flag: string | undefined; words: string[] }[] = [];
  for (const word of words) {
    const last = entries.at(-1);
    if (isFlag(word)) entries.push({ flag: word.split("=", 1)[0], words: [word] });
    else if (last === undefined) entries.push({ flag: undefined, words: [word] });
    else last.words.push(word);
  }
  return entries;
}

function isFlag(word: string): boolean {
  return word.startsWith("-") && word !== "-" && !/^-\.?\d/.test(word);
}
