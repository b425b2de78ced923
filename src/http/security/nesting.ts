/** The deepest JSON that any client has a reason to send; engines parse recursively and fall over far above it. */
const MAX_DEPTH = 500;

/** Whether a parsed JSON value is nested deeper than an engine survives. Walks without recursion; texts cost nothing. */
export function isTooDeep(value: unknown): boolean {
  let level: object[] = isObject(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const next: object[] = [];
    for (const node of level) for (const child of Object.values(node)) if (isObject(child)) next.push(child);
    level = next;
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
