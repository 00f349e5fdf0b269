import { readFileSync } from "node:fs";

export type Row = Record<string, string | number | null>;

/** The text of a data set of the package vega-datasets. */
export function dataSetText(name: string): string {
  return readFileSync(new URL(`../data/${name}`, import.meta.resolve("vega-datasets")), "utf8");
}

/** The rows of a JSON data set. */
export function jsonRows(name: string): Row[] {
  return JSON.parse(dataSetText(name)) as Row[];
}

/** The rows of a CSV data set without quoted fields, numbers as numbers. */
export function csvRows(name: string): Row[] {
  const text = dataSetText(name);
  if (text.includes('"'))
    throw new Error(`${name} has quoted fields, which this reader doesn't know`);
  const [head = "", ...lines] = text.trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) =>
    Object.fromEntries(
      line.split(",").map((field, column) => [names[column] ?? "", valueOf(field)]),
    ),
  );
}

function valueOf(field: string): string | number | null {
  if (field === "") return null;
  return Number.isNaN(Number(field)) ? field : Number(field);
}
