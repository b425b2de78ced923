import type { Summary } from "./summary.ts";

/** Who answers: the mock itself, nginx before it, lemonade before it. */
export type Target = "direct" | "nginx" | "lemonade";

export type Unit = "ms" | "s" | "MB" | "kB" | "µs" | "1/s" | "ratio";

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

/** What a model's files are fetched with: curl alone, curl followed by what lemonade does too, the Hugging Face program, lemonade. */
export type Downloader = "curl" | "verified" | "hf" | "lemonade";

/** One line of the table about models and their files. */
export interface ModelRow {
  readonly what: string;
  readonly unit: Unit;
  readonly of: Partial<Record<Downloader, Summary>>;
  readonly budget?: ModelBudget | undefined;
}

export type ModelBudget =
  | { readonly atMost: number }
  /** The median of lemonade is at most this share of the better of curl and hf. */
  | { readonly atMostOfBest: number };

export const SCENARIOS = ["startup", "idle-streams", "latency", "throughput", "events", "catalog", "download"] as const;
export type Scenario = (typeof SCENARIOS)[number];
