/** One command line option of llama-server. */
export interface LlamaOption {
  /** All spellings with their dashes, the documented long one last. */
  readonly flags: readonly string[];
  /** Spellings that switch it off. */
  readonly negations: readonly string[];
  /** How many values follow it. */
  readonly values: 0 | 1 | 2;
  /** The environment variable that sets it too. */
  readonly env?: string | undefined;
}

/** The name of an option in a preset file: its long flag without dashes. */
export function optionName({ flags }: LlamaOption): string {
  return withoutDashes(flags.at(-1) ?? "");
}

export function withoutDashes(flag: string): string {
  return flag.replace(/^-+/, "");
}

export interface KnownKey {
  readonly option: LlamaOption;
  /** The key says the opposite of the option. */
  readonly isNegated: boolean;
}

/** Finds options by every key that a preset file may use: a flag without its dashes, or the name of an environment variable. */
export class OptionTable {
  readonly #keys = new Map<string, KnownKey>();

  constructor(options: readonly LlamaOption[]) {
    for (const option of options) {
      for (const flag of option.flags) this.#keys.set(withoutDashes(flag), { option, isNegated: false });
      for (const flag of option.negations) this.#keys.set(withoutDashes(flag), { option, isNegated: true });
      if (option.env === undefined) continue;
      this.#keys.set(option.env, { option, isNegated: false });
      // llama.cpp reads the negated variable as a second name of the option, with the same sense.
      if (option.negations.length > 0) this.#keys.set(option.env.replace("LLAMA_ARG_", "LLAMA_ARG_NO_"), { option, isNegated: false });
    }
  }

  find(key: string): KnownKey | undefined {
    return this.#keys.get(key);
  }

  get keys(): Iterable<string> {
    return this.#keys.keys();
  }
}

/** Separates spellings from the explanation: two blanks that do not follow a comma. */
const EXPLANATION = /(?<![,\s])\s{2,}/;
const SPELLINGS = /^--?[A-Za-z][\w.-]*(?:,\s+--?[A-Za-z][\w.-]*)*/;

/**
 * Reads the options out of what `llama-server --help` prints. A line that begins with a dash opens an option (`-c, --ctx-size N`), the
 * lines below explain it and may name its variable (`(env: LLAMA_ARG_CTX_SIZE)`).
 */
export function parseOptionsHelp(help: string): readonly LlamaOption[] {
  const options: LlamaOption[] = [];
  for (const line of help.split("\n")) {
    const last = options.at(-1);
    const env = /\(env: (\w+)\)/.exec(line)?.[1];
    const spelled = SPELLINGS.exec(line)?.[0];
    if (spelled !== undefined) options.push({ ...parseHead(line.split(EXPLANATION, 1)[0] ?? "", spelled), env });
    else if (env !== undefined && last !== undefined) options[options.length - 1] = { ...last, env };
  }
  return options;
}

function parseHead(head: string, spelled: string): LlamaOption {
  const flags = spelled.split(/,\s+/);
  const hint = head.slice(spelled.length).trim();
  const negations = flags.filter((flag) => isNegationOf(flag, flags));
  const values = hint === "" ? 0 : /^[A-Z]+ [A-Z]+$/.test(hint) ? 2 : 1;
  return { flags: flags.filter((flag) => !negations.includes(flag)), negations, values };
}

/** `--no-ui` beside `--ui`, and then `-nocb` beside it too; but `--no-host` alone is an option of its own. */
function isNegationOf(flag: string, flags: readonly string[]): boolean {
  const hasPair = flags.some((other) => other.startsWith("--no-") && flags.includes(`--${other.slice("--no-".length)}`));
  return hasPair && /^(--no-|-n)/.test(flag);
}
