import type { Summary } from "./summary.ts";

/** Who answers: the mock itself, nginx before it, lemonade before it. */
export type Target = "direct" | "nginx" | "lemonade";

export type Unit = "ms" | "MB" | "kB" | "µs" | "1/s" | "ratio";

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly unit: Unit;
  readonly of: Partial<Record<Target, Summary>>;
  /** What the design allows for it. */
  readonly budget?: Budget | undefined;
}

export type Budget =
  /** The median of lemonade is at most this, in the unit of the row. */
  | { readonly atMost: number }
  /** The median of lemonade's share of nginx, round by round, is at least this. */
  | { readonly atLeastOfNginx: number };

export type Scenario = "startup" | "idle-streams" | "latency" | "throughput" | "events";
export const SCENARIOS: readonly Scenario[] = ["startup", "idle-streams", "latency", "throughput", "events"];
