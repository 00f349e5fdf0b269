import type { FuzzReport } from "./fuzz.ts";

/** The report for a terminal: what was answered, and each finding with the command that shows it. */
export function showReport(report: FuzzReport, seed: number, ms: number): string {
  const { requests, findings, troubles, statuses, accepted } = report;
  const table = [...statuses]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, counts]) => {
      const each = [...counts].sort(([a], [b]) => a - b).map(([status, n]) => `${status}×${n}`);
      return `  ${name.padEnd(46)} ${each.join(" ")}`;
    });
  const defects = findings.flatMap(({ kind, story, command, detail, times }) => [
    "",
    `✗ ${kind} (${times}×)`,
    `  ${detail.slice(0, 1_000)}`,
    `  ${story.join("; ")}`,
    `  ${command}`,
  ]);
  return [
    "",
    ...table,
    ...defects,
    ...troubles.map((trouble) => `\n✗ ${trouble}`),
    "",
    `${requests} requests with seed ${seed} in ${(ms / 1000).toFixed(0)} s: ${accepted} executions accepted, ${findings.length} findings, ${troubles.length} troubles`,
  ].join("\n");
}
