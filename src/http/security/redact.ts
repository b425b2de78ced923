import { pathOfId } from "../../router/index.ts";
import type { Identity } from "./identity.ts";

/** What takes out of a text what its reader shall not see; undefined for whoever administers the server. */
export function redactionFor(identity: Identity): ((text: string) => string) | undefined {
  return identity.scopes.includes("admin") ? undefined : redactForStrangers;
}

/** A path, or a text that may be one, as its reader may see it: whoever does not administer the server sees its last part. */
export function shownPath(path: string, { scopes }: Identity): string {
  return scopes.includes("admin") ? path : lastPart(path);
}

/** A model's name as its reader may see it: whoever manages models may name one by its path, and needs that name. */
export function shownName(name: string, { scopes }: Identity): string {
  return scopes.includes("manage") || scopes.includes("admin") ? name : lastPart(name);
}

function lastPart(text: string): string {
  return pathOfId(text) === undefined ? text : `…/${text.split(/[/\\]/).at(-1) ?? ""}`;
}

/**
 * An error text for a caller who does not administer this machine: absolute paths keep their last part, and the output of engines,
 * which shows command lines and environment, is left out.
 */
export function redactForStrangers(message: string): string {
  const [text = ""] = message.split("\nLast lines of the engine:", 1);
  return text.replaceAll(/(?:[A-Za-z]:)?(?:[/\\][^\s/\\:"'`,;()]+){2,}/g, (path) => `…/${path.split(/[/\\]/).at(-1) ?? ""}`);
}
