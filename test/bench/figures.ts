/** What the benchmark tells: figures, each measured a few times, with what is aimed at and the command that repeats it. */

export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** One number per run, in order; empty when it could not be measured, and `note` says why. */
  readonly runs: readonly number[];
  readonly aim: Aim | undefined;
  readonly command: string;
  readonly note?: string;
}

export interface Aim {
  readonly type: "at-least" | "at-most";
  readonly value: number;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function atLeast(value: number): Aim {
  return { type: "at-least", value };
}

export function atMost(value: number): Aim {
  return { type: "at-most", value };
}

/** Undefined without runs. */
export function spreadOf(runs: readonly number[]): Spread | undefined {
  const sorted = [...runs].sort((left, right) => left - right);
  const min = sorted[0];
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? min) + (sorted[Math.ceil(middle)] ?? max)) / 2;
  return { min, median, max };
}

/** Whether the median is where it should be; undefined when nothing is aimed at, or nothing was measured. */
export function isMet({ runs, aim }: Figure): boolean | undefined {
  const spread = spreadOf(runs);
  if (aim === undefined || spread === undefined) return undefined;
  return aim.type === "at-least" ? spread.median >= aim.value : spread.median <= aim.value;
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
