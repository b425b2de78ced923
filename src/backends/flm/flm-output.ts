/** The version in what `flm version` prints: `FLM v0.9.23`. */
export function parseFlmVersion(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const version = /\bFLM v?(\d+(?:\.\d+)+)/i.exec(line)?.[1];
    if (version !== undefined) return `v${version}`;
  }
  return undefined;
}

/** Tags of the models that `flm list` marks as installed: `  - llama3.2:1b ✅`. */
export function parseInstalledTags(lines: readonly string[]): ReadonlySet<string> {
  const tags = lines.flatMap((line) => /^\s*- (.*\S)\s+✅\uFE0F?\s*$/u.exec(line)?.[1] ?? []);
  return new Set(tags);
}
