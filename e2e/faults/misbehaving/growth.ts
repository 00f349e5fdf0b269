/**
 * How much more there is at the end of a row of figures than at its beginning: the middle one of its last third less the
 * middle one of its first. One figure alone says little of memory, which is given back when it pleases the allocator.
 */
export function growthOf(figures: readonly number[]): number {
  const third = Math.max(1, Math.floor(figures.length / 3));
  return middleOf(figures.slice(-third)) - middleOf(figures.slice(0, third));
}

function middleOf(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}
