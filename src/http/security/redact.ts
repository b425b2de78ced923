import type { Identity } from "./identity.ts";

/** What takes out of a text what its reader shall not see; undefined for whoever administers the server. */
export function redactionFor(identity: Identity): ((text: string) => string) | undefined {
  return identity.scopes.includes("admin") ? undefined : redactForStrangers;
}

/**
 * An error text for a caller who does not administer this machine: absolute paths keep their last part, and the output of engines,
 * which shows command lines and environment, is left out.
 */
export function redactForStrangers(message: string): string {
  const [text = ""] = message.split("\nLast lines of the engine:", 1);
  return text.replaceAll(/(?:[A-Za-z]:)?(?:[/\\][^\s/\\:"'`,;()]+){2,}/g, (path) => `…/${path.split(/[/\\]/).at(-1) ?? ""}`);
}
