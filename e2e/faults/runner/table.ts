import type { Outcome } from "./run-case.ts";

/** All outcomes, a line each, under their headings. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const heading = [
    "case",
    "backend",
    "accepted",
    "refused",
    "ended",
    "lost",
    "twice",
    "effects",
    "gap s",
    "s",
    "verdict",
  ];
  const rows = outcomes.map(({ id, backend, figures: f, seconds, verdict, why }) => [
    id,
    backend,
    ...(f === null
      ? ["–", "–", "–", "–", "–", "–", "–"]
      : [
          String(f.accepted),
          String(f.refused),
          String(f.ended),
          String(f.lost),
          String(f.endedTwice),
          f.effects === null
            ? "–"
            : `${f.effects.min}/${f.effects.mean.toFixed(2)}/${f.effects.max}`,
          f.longestGapMs === null ? "–" : (f.longestGapMs / 1_000).toFixed(1),
        ]),
    seconds.toFixed(1),
    why === null ? verdict : `${verdict}: ${why.slice(0, 100)}`,
  ]);
  const widths = heading.map((_, n) =>
    Math.max(...[heading, ...rows].map((row) => row[n]?.length ?? 0)),
  );
  return [heading, ...rows]
    .map((row) =>
      row
        .map((cell, n) =>
          n < 2 || n === row.length - 1
            ? cell.padEnd(widths[n] ?? 0)
            : cell.padStart(widths[n] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The closing line: `N passed, N failed[, N skipped]`. */
export function tallyOf(outcomes: readonly Outcome[]): string {
  const count = (verdict: Outcome["verdict"]): number =>
    outcomes.filter((one) => one.verdict === verdict).length;
  const skipped = count("skipped");
  return `${count("passed")} passed, ${count("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
