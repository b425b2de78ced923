import type { Budget, ModelBudget } from "./result.ts";

/** The budgets of the design, in the units of their rows. */
export const BUDGETS = {
  serveMs: { atMost: 60 },
  idleRssMb: { atMost: 50 },
  addedLatencyP50Ms: { atMost: 0.2 },
  addedLatencyP99Ms: { atMost: 1 },
  requestsPerSecond: { atLeastOfNginx: 0.6 },
  eventsPerSecond: { atLeastOfNginx: 0.8 },
  readyToRequestMs: { atMost: 25 },
  idleStreamKb: { atMost: 100 },
  versionMs: { atMost: 40 },
  listMs: { atMost: 100 },
  headerMs: { atMost: 10 },
  downloadOfBest: { atMostOfBest: 1 },
  downloadMb: { atMost: 60 },
} as const satisfies Record<string, Budget | ModelBudget>;
