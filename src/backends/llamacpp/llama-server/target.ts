import { InvalidOptionsError } from "./errors.ts";

/** The builds of the engine that a folder of executables may hold, by platform. The first variant of each is its default. */
export const VARIANTS = {
  "aarch64-apple-darwin": ["metal", "cpu"],
  "aarch64-unknown-linux-gnu": ["cpu"],
  "x86_64-unknown-linux-gnu": ["cpu"],
  "x86_64-pc-windows-msvc": ["cpu"],
} as const satisfies Record<string, readonly [string, ...string[]]>;

/** A platform as compilers name it: processor, vendor, system. */
export type TargetTriple = keyof typeof VARIANTS;

const TARGETS: Readonly<Record<string, TargetTriple>> = {
  "darwin-arm64": "aarch64-apple-darwin",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "linux-x64": "x86_64-unknown-linux-gnu",
  "win32-x64": "x86_64-pc-windows-msvc",
};

/**
 * The platform of this process.
 * @param machine - Another one, in Node's words. Defaults to `process`.
 * @throws {@link InvalidOptionsError} for a platform without builds.
 */
export function detectTarget(machine: { readonly platform: string; readonly arch: string } = process): TargetTriple {
  const name = `${machine.platform}-${machine.arch}`;
  const target = TARGETS[name];
  if (target === undefined) throw new InvalidOptionsError("target", `Unsupported target platform: ${name}`);
  return target;
}

/** The variant that a platform uses unless another one is named: `metal` on Apple silicon, `cpu` elsewhere. */
export function defaultVariant(target: TargetTriple): string {
  return VARIANTS[target][0];
}

/** The file name of the engine on a platform: `llama-server`, on Windows `llama-server.exe`. */
export function executableName(target: TargetTriple): string {
  return target.includes("windows") ? "llama-server.exe" : "llama-server";
}
