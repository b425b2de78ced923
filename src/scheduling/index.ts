export { afterCrash, decideRestart, type CrashHistory, type RestartDecision } from "./crash-backoff.ts";
export { decide, type Decision, type ResidencyLimits, type Resident, type Wish } from "./residency.ts";
