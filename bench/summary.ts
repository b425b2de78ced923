/** Several measurements of one thing. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) throw new Error("There is nothing to summarize");
  return { median: middleOf(sorted), min, max, samples };
}

function middleOf(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? 0) + upper) / 2;
}

/** Combines two series measured in turns, round by round: what changed from round to round hits both and cancels out. */
export function perRound(a: Summary, b: Summary, combine: (a: number, b: number) => number): Summary {
  return summarize(a.samples.map((sample, round) => combine(sample, b.samples[round] ?? Number.NaN)));
}
