/** Middle half of a sample. */
export interface Summary {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/** The value below which the share `p` of the sample lies, by linear interpolation; `NaN` for an empty sample. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function summarise(values: readonly number[]): Summary {
  return { q1: quantile(values, 0.25), median: quantile(values, 0.5), q3: quantile(values, 0.75) };
}

/** Ratios round by round: what slows a whole round down is in both. */
export function ratiosOf(values: readonly number[], reference: readonly number[]): number[] {
  if (values.length !== reference.length) throw new RangeError(`${values.length} rounds against ${reference.length}`);
  return values.map((value, round) => value / reference[round]!);
}

/** Jain's index of fairness: 1 if all got the same, 1/n if one got everything; 0 if nobody got anything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 0 : (sum * sum) / (shares.length * squares);
}
