import { RouterError } from "../../errors.ts";

export interface IniEntry {
  readonly key: string;
  readonly value: string;
  /** Counts from 1. */
  readonly line: number;
}

export interface IniSection {
  readonly name: string;
  readonly entries: readonly IniEntry[];
}

/** Keys before any section belong to a section of this name. */
export const DEFAULT_SECTION = "default";

const HEADER = /^\[([^\]]+)\]\s*(?:[;#].*)?$/;
const ENTRY = /^([A-Za-z_][\w.-]*)\s*=\s*([^;#]*)(?:[;#].*)?$/;

/**
 * Reads the INI dialect of llama.cpp's preset files: `[section]`, `key = value`, comments from `;` or `#` to the end of the line (also
 * behind a value, so no value holds one of these signs). A section that comes twice counts as it is written last.
 * @throws {@link RouterError} `CONFIG_INVALID` naming the line.
 */
export function parseIni(text: string, file: string): readonly IniSection[] {
  const sections = new Map<string, IniEntry[]>([[DEFAULT_SECTION, []]]);
  let entries = sections.get(DEFAULT_SECTION) ?? [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const content = raw.trim();
    if (content === "" || content.startsWith(";") || content.startsWith("#")) continue;
    const name = HEADER.exec(content)?.[1]?.trim();
    if (name !== undefined && name !== "") {
      entries = [];
      sections.set(name, entries);
      continue;
    }
    const [, key, value] = ENTRY.exec(content) ?? [];
    if (key === undefined || value === undefined) {
      throw new RouterError("CONFIG_INVALID", `${file}, line ${index + 1}: ${JSON.stringify(content)} is neither [name] nor key = value`);
    }
    entries.push({ key, value: value.trim(), line: index + 1 });
  }
  return [...sections].map(([name, found]) => ({ name, entries: found }));
}
