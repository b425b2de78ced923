/** Ends a switch over all members of a union: the compiler refuses a forgotten one. */
export function unreachable(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
