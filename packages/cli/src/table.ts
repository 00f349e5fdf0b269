import { printable } from "./terminal.ts";

/** A cell: its text, and how to colour it once it has its width. */
export type Cell = string | { text: string; paint: (text: string) => string };

/** Lines with columns as wide as their widest cell, two spaces between them. */
export function formatTable(rows: readonly (readonly Cell[])[]): string {
  const widths: number[] = [];
  const cells = rows.map((row) =>
    row.map((cell, column) => {
      const text = printable(typeof cell === "string" ? cell : cell.text).replaceAll(/\s+/g, " ");
      widths[column] = Math.max(widths[column] ?? 0, text.length);
      return { text, paint: typeof cell === "string" ? (t: string) => t : cell.paint };
    }),
  );
  return cells
    .map((row) =>
      row
        .map(({ text, paint }, column) => {
          const gap = " ".repeat(
            column === row.length - 1 ? 0 : (widths[column] ?? 0) - text.length,
          );
          return paint(text) + gap;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
