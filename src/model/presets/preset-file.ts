import { RouterError } from "../../errors.ts";
import { closeNames } from "../close-names.ts";
import { optionName, type OptionTable } from "./llama-option.ts";
import { DEFAULT_SECTION, parseIni, type IniEntry } from "./parse-ini.ts";

/** Options of llama-server by name (the long flag without its dashes); a switch is `true` or `false`. */
export type PresetOptions = ReadonlyMap<string, string>;

export interface PresetFile {
  /** What `[*]` says about every model. */
  readonly shared: PresetOptions;
  /** What each section says about its model, by the section's name as it is written. */
  readonly models: ReadonlyMap<string, PresetOptions>;
}

/** Keys that speak to the router; no engine gets them. */
const ROUTER_KEYS: Readonly<Record<string, "switch" | "seconds">> = {
  "load-on-startup": "switch",
  "dedup-cache-models": "switch",
  "stop-timeout": "seconds",
};

const ON: readonly string[] = ["true", "1", "on", "enabled"];
const OFF: readonly string[] = ["false", "0", "off", "disabled"];

/**
 * Reads a preset file of llama.cpp's router mode. A key is a long or short flag without its dashes, the name of its environment
 * variable, a negated flag, or one of the three keys for the router itself. `version` is let pass.
 * @throws {@link RouterError} `CONFIG_INVALID` naming the line; for an unknown key also the nearest known ones.
 */
export function readPresets(text: string, { file, table }: { file: string; table: OptionTable }): PresetFile {
  const models = new Map<string, PresetOptions>();
  let shared: PresetOptions = new Map();
  for (const { name, entries } of parseIni(text, file)) {
    const options = new Map<string, string>();
    for (const entry of entries) {
      if (entry.key === "version") continue;
      const [option, value] = readEntry(entry, { table, where: `${file}, line ${entry.line}`, section: name });
      options.set(option, value);
    }
    if (name === "*") shared = options;
    else if (name !== DEFAULT_SECTION || options.size > 0) models.set(name, options);
  }
  return { shared, models };
}

/** Keys of a preset file that the table does not know; an installed llama-server may know them. */
export function unknownKeys(text: string, { file, table }: { file: string; table: OptionTable }): readonly string[] {
  const keys = parseIni(text, file).flatMap(({ entries }) => entries.map(({ key }) => key));
  return keys.filter((key) => key !== "version" && ROUTER_KEYS[key] === undefined && table.find(key) === undefined);
}

function readEntry({ key, value }: IniEntry, context: { table: OptionTable; where: string; section: string }): [string, string] {
  const { table, where, section } = context;
  const own = ROUTER_KEYS[key];
  if (own === "switch") return [key, switchValue(value, { where, key })];
  if (own === "seconds") {
    if (/^\d{1,7}$/.test(value)) return [key, value];
    throw new RouterError("CONFIG_INVALID", `${where}: ${key} must be a number of seconds, but is ${JSON.stringify(value)}`);
  }
  const known = table.find(key);
  if (known === undefined) {
    const close = closeNames(key, [...table.keys, ...Object.keys(ROUTER_KEYS)]);
    const hint = close.length === 0 ? "`llama-server --help` lists what it knows." : `Did you mean ${close.join(" or ")}?`;
    throw new RouterError("CONFIG_INVALID", `${where}: option '${key}' not recognized in preset '${section}'`, { hint });
  }
  const { option, isNegated } = known;
  if (optionName(option) === "ctx-size" && !/^\d{1,10}$/.test(value)) {
    throw new RouterError("CONFIG_INVALID", `${where}: ${key} must be a number of tokens, but is ${JSON.stringify(value)}`);
  }
  if (option.values === 1) return [optionName(option), value];
  if (option.values === 2)
    throw new RouterError("CONFIG_INVALID", `${where}: option '${key}' takes two values, which presets do not support`);
  const isOn = (switchValue(value, { where, key }) === "true") !== isNegated;
  return [optionName(option), String(isOn)];
}

/** llama.cpp takes any other word for "on", also "no": here it has to be clear. */
function switchValue(value: string, { where, key }: { where: string; key: string }): "true" | "false" {
  if (ON.includes(value)) return "true";
  if (OFF.includes(value)) return "false";
  throw new RouterError("CONFIG_INVALID", `${where}: ${key} is a switch and must be true or false, but is ${JSON.stringify(value)}`);
}
