/** What came of one ledger's submits; the runner prints it. */
export interface Figures {
  submitted: number;
  accepted: number;
  /** Tries that were answered, and not with 2xx. */
  refused: number;
  /** Tries without an answer. */
  unanswered: number;
  ended: number;
  lost: number;
  endedTwice: number;
  /** Calls at the sink per ended execution of an engine that calls it; null where none did. */
  effects: { min: number; mean: number; max: number } | null;
  longestGapMs: number | null;
}

/** The figures of several ledgers of one case together; null of none. */
export function addUp(all: readonly Figures[]): Figures | null {
  if (all.length === 0) return null;
  const sum = (read: (one: Figures) => number): number =>
    all.reduce((total, one) => total + read(one), 0);
  const effects = all.flatMap((one) =>
    one.effects === null ? [] : [{ ...one.effects, of: one.ended }],
  );
  const gaps = all.flatMap((one) => one.longestGapMs ?? []);
  return {
    submitted: sum((one) => one.submitted),
    accepted: sum((one) => one.accepted),
    refused: sum((one) => one.refused),
    unanswered: sum((one) => one.unanswered),
    ended: sum((one) => one.ended),
    lost: sum((one) => one.lost),
    endedTwice: sum((one) => one.endedTwice),
    effects:
      effects.length === 0
        ? null
        : {
            min: Math.min(...effects.map(({ min }) => min)),
            mean:
              effects.reduce((total, { mean, of }) => total + mean * of, 0) /
              effects.reduce((total, { of }) => total + of, 0),
            max: Math.max(...effects.map(({ max }) => max)),
          },
    longestGapMs: gaps.length === 0 ? null : Math.max(...gaps),
  };
}

/** `1000 accepted, 0 refused, …` */
export function sayFigures(figures: Figures): string {
  const { effects, longestGapMs: gap, unanswered } = figures;
  return [
    `${figures.accepted} accepted`,
    `${figures.refused} refused`,
    ...(unanswered > 0 ? [`${unanswered} unanswered`] : []),
    `${figures.ended} ended`,
    `${figures.lost} lost`,
    `${figures.endedTwice} ended twice`,
    `effects ${effects === null ? "–" : `${effects.min}/${effects.mean.toFixed(3)}/${effects.max}`}`,
    `longest gap ${gap === null ? "–" : `${(gap / 1_000).toFixed(1)} s`}`,
  ].join(", ");
}
