/** Variables that llama.cpp reads as options: inherited ones would change an engine behind our back (its key, its port, its model). */
const OPTION_VARIABLES = /^(LLAMA_ARG_|LLAMA_API_KEY$|LLAMA_SERVER_|AIP_)/;

/** The environment that engines inherit from ours. */
export function childEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OPTION_VARIABLES.test(name)));
}
