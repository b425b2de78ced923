import type { Identity } from "./identity.ts";

/** What errors go through before this caller sees them; nothing for whoever administers the machine. */
export function redactFor({ scopes }: Identity): ((text: string) => string) | undefined {
  return scopes.includes("admin") ? undefined : redactForStrangers;
}

/**
 * An error text for a caller who does not administer this machine: absolute paths keep their last part, and the output of engines,
 * which shows command lines and environment, is left out.
 */
export function redactForStrangers(message: string): string {
  const [text = ""] = message.split("\nLast lines of the engine:", 1);
  return text.replaceAll(/(?:[A-Za-z]:)?(?:[/\\][^\s/\\:"'`,;()]+){2,}/g, (path) => `…/${path.split(/[/\\]/).at(-1) ?? ""}`);
}
