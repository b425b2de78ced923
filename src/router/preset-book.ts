import { readFile } from "node:fs/promises";
import { errorMessage, RouterError } from "../errors.ts";
import type { PresetLaunch, PresetOptions } from "../model/presets/index.ts";
import { importLater } from "../platform/index.ts";

/** One section of a preset file, with what `[*]` says below it. */
export interface PresetModel {
  /** As the section is called. */
  readonly section: string;
  readonly options: PresetOptions;
  readonly launch: PresetLaunch;
}

/** What a preset file says about models. */
export interface PresetBook {
  readonly models: readonly PresetModel[];
  /** What it says about a model without a section of its own. */
  readonly shared: Pick<PresetModel, "options" | "launch">;
}

export interface ReadPresetsOptions {
  /** What an installed llama-server prints about its options: it may know more than we do. */
  readonly help: () => Promise<string | undefined>;
}

/**
 * Reads a preset file. The code for it is loaded on first use: a server without presets never pays for it.
 * @throws {@link RouterError} `CONFIG_INVALID` for a file that is not there, a line or a key that is not understood, a name that two
 * models have.
 */
export async function readPresetBook(file: string, { help }: ReadPresetsOptions): Promise<PresetBook> {
  const presets = await importLater(() => import("../model/presets/index.ts"));
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new RouterError("CONFIG_INVALID", `The preset file ${file} cannot be read: ${errorMessage(error)}`, { cause: error });
  });
  const known = presets.parseOptionsHelp(presets.KNOWN_OPTIONS);
  let table = new presets.OptionTable(known);
  if (presets.unknownKeys(text, { file, table }).length > 0) {
    table = new presets.OptionTable([...known, ...presets.parseOptionsHelp((await help()) ?? "")]);
  }
  const { shared, models } = presets.readPresets(text, { file, table });
  const book: PresetBook = {
    shared: { options: shared, launch: presets.presetLaunch(shared, table) },
    models: [...models].map(([section, own]) => {
      const options = presets.mergeOptions(shared, own);
      return { section, options, launch: presets.presetLaunch(options, table) };
    }),
  };
  refuseEqualNames(book, file);
  return book;
}

function refuseEqualNames({ models }: PresetBook, file: string): void {
  const owners = new Map(models.map(({ section }) => [section, section]));
  for (const { section, launch } of models) {
    for (const alias of launch.aliases) {
      const owner = owners.get(alias);
      if (owner !== undefined && owner !== section) {
        throw new RouterError("CONFIG_INVALID", `${file}: the alias '${alias}' of '${section}' is a name of '${owner}' already`);
      }
      owners.set(alias, section);
    }
  }
}
