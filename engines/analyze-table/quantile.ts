/**
 * The quantile `q` (0 to 1) by linear interpolation between closest ranks: type 7 of Hyndman and
 * Fan (1996), which R, NumPy and spreadsheets use by default.
 *
 * @param sorted ascending, at least one
 */
export function quantile(sorted: Float64Array, q: number): number {
  const rank = (sorted.length - 1) * q;
  const below = Math.floor(rank);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  const share = rank - below;
  const step = high - low;
  // The difference of two huge numbers of unlike sign is no number any more.
  return Number.isFinite(step) ? low + step * share : low * (1 - share) + high * share;
}
