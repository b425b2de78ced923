/** What is installed of FastFlowLM and what it needs. A newer version that is here already is as good. */
export const FLM_POLICY = {
  repository: "FastFlowLM/FastFlowLM",
  version: "v0.9.23",
  installer: "flm-setup.exe",
  /** Of the NPU, as Windows numbers it; an unknown one is taken for new enough. */
  minDriver: "32.0.203.304",
  driverPage: "https://lemonade-server.ai/driver_install.html",
  releasesPage: "https://github.com/FastFlowLM/FastFlowLM/releases",
} as const;

/** Compares versions number by number: `v0.9.10` is newer than `0.9.9`. Negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.replace(/^v/, "").split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
