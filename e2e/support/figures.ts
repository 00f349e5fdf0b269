/** Figures of a column, computed in the plainest way, to compare an engine's results with. */
export interface Figures {
  present: number;
  missing: number;
  distinct: number;
  /** Null for columns of text, as what follows. */
  min: number | null;
  max: number | null;
  mean: number | null;
  /** At 0.1, 0.5 and 0.9: Hyndman and Fan's type 7. */
  quantiles: number[] | null;
  top: { value: string | number; count: number }[];
}

export const quantilesAsked = [0.1, 0.5, 0.9];

/** @param topCount how many of the most frequent values; ties in order of appearance */
export function figuresOf(
  values: readonly (string | number | null | undefined)[],
  topCount: number,
): Figures {
  const present = values.filter((value) => value !== null && value !== undefined);
  const counts = new Map<string | number, number>();
  for (const value of present) counts.set(value, (counts.get(value) ?? 0) + 1);
  const top = [...counts]
    .map(([value, count], order) => ({ value, count, order }))
    .sort((a, b) => b.count - a.count || a.order - b.order)
    .slice(0, topCount)
    .map(({ value, count }) => ({ value, count }));
  const base = {
    present: present.length,
    missing: values.length - present.length,
    distinct: counts.size,
    top,
  };
  const numbers = present.filter((value) => typeof value === "number");
  if (numbers.length < present.length || numbers.length === 0) {
    return { ...base, min: null, max: null, mean: null, quantiles: null };
  }
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return {
    ...base,
    min: at(0),
    max: at(sorted.length - 1),
    mean: sum(numbers) / numbers.length,
    quantiles: quantilesAsked.map((q) => {
      const rank = (sorted.length - 1) * q;
      const below = Math.floor(rank);
      const above = Math.min(below + 1, sorted.length - 1);
      return at(below) + (rank - below) * (at(above) - at(below));
    }),
  };
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
