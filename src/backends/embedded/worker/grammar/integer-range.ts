/** GBNF for the integers from `min` to `max`; an absent bound is open. */
export function integerRange(min: number | undefined, max: number | undefined): string {
  const low = min === undefined ? undefined : Math.ceil(min);
  const high = max === undefined ? undefined : Math.floor(max);
  if (low !== undefined && high !== undefined && low > high) throw new Error(`no integer lies between ${min} and ${max}`);
  const alternatives: string[] = [];
  if (low === undefined || low < 0) {
    // Mirrored at zero: from the larger bound that is still negative to the smaller one.
    const smallest = high === undefined || high >= -1 ? 1 : -high;
    alternatives.push(`"-" (${naturalRange(smallest, low === undefined ? undefined : -low)})`);
  }
  if (high === undefined || high >= 0) alternatives.push(naturalRange(Math.max(low ?? 0, 0), high));
  return `(${alternatives.join(" | ")})`;
}

/** Enough for every integer that a double holds exactly. */
const MAX_DIGITS = 16;

function naturalRange(low: number, high: number | undefined): string {
  const alternatives: string[] = [];
  const top = high ?? 10 ** String(low).length - 1;
  for (let from = low; from <= top;) {
    const to = endOfBlock(from, top);
    alternatives.push(blockPattern(String(from), String(to)));
    from = to + 1;
  }
  const digits = String(low).length;
  if (high === undefined) alternatives.push(`[1-9] [0-9]{${digits},${MAX_DIGITS - 1}}`);
  return alternatives.join(" | ");
}

/** The largest number up to which one digit varies freely in its range and all digits after it in 0 to 9. */
function endOfBlock(from: number, top: number): number {
  let end = from;
  for (let power = 1; from % power === 0; power *= 10) {
    const candidateStep = power;
    const digit = Math.floor(from / power) % 10;
    for (let d = 9; d >= digit; d--) {
      const candidate = from + (d - digit) * candidateStep + (candidateStep - 1);
      if (candidate > top || String(candidate).length !== String(from).length) continue;
      end = Math.max(end, candidate);
      break;
    }
    if (from === 0) break;
  }
  return end;
}

function blockPattern(from: string, to: string): string {
  const parts: string[] = [];
  for (const [i, digit] of Array.from(from).entries()) parts.push(digit === to[i] ? `"${digit}"` : `[${digit}-${to[i]}]`);
  return parts.join(" ");
}
