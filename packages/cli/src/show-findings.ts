import { worstFirst, type Finding, type Level } from "@tl-engine/shared/doctor/finding.ts";
import { printable, type Style, type Terminal } from "./terminal.ts";

const style: Record<Level, Style> = { error: "red", warning: "yellow", ok: "green" };
const indent = " ".repeat(11);

/** What was found, by area: the area with the worst first, and within it the worst first; the remedy below each. */
export function showFindings(findings: readonly Finding[], { paint }: Terminal): string {
  const byArea = Map.groupBy(worstFirst(findings), ({ id }) => id.split(".")[0] ?? id);
  const areas = [...byArea].map(([area, found]) =>
    [paint("bold", area), ...found.map((finding) => showFinding(finding, paint))].join("\n"),
  );
  return [...areas, summary(findings)].join("\n\n");
}

function showFinding({ level, title, detail, remedy }: Finding, paint: Terminal["paint"]): string {
  const name = `  ${paint(style[level], level.padEnd(7))}  `;
  if (level === "ok") {
    return name + printable(title) + (detail === "" ? "" : paint("dim", printable(`: ${detail}`)));
  }
  const lines = [name + printable(title)];
  if (detail !== "") lines.push(indent + paint("dim", printable(detail)));
  for (const line of (remedy ?? "").split("\n").filter(Boolean)) {
    lines.push(`${indent}  ${paint("cyan", printable(line))}`);
  }
  return lines.join("\n");
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const many = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  return `${many(count("error"), "error")}, ${many(count("warning"), "warning")}, ${count("ok")} ok`;
}
