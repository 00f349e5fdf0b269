import { type z } from "zod";
import { type columnSchema } from "./contract.ts";
import { quantile } from "./quantile.ts";
import { type Kind, type Value } from "./value-kinds.ts";

export type Column = z.output<typeof columnSchema>;

interface Counted {
  readonly shown: Value["shown"];
  count: number;
}

/** Gathers one column, value by value. */
export class ColumnProfile {
  readonly name: string;
  #missing = 0;
  #present = 0;
  readonly #kinds = new Map<Kind, number>();
  readonly #counts = new Map<string | number | boolean, Counted>();
  readonly #numbers: number[] = [];
  #earliest: Value | null = null;
  #latest: Value | null = null;
  #minLength = Infinity;
  #maxLength = -Infinity;

  /** @param missing how many rows went by before this column appeared */
  constructor(name: string, missing = 0) {
    this.name = name;
    this.#missing = missing;
  }

  addMissing(): void {
    this.#missing += 1;
  }

  add(value: Value): void {
    this.#present += 1;
    this.#kinds.set(value.kind, (this.#kinds.get(value.kind) ?? 0) + 1);
    // Numbers and booleans are keys of another type than texts, so that 1 and "1" are two.
    const key =
      value.kind === "object" || value.kind === "array" ? `\0${String(value.shown)}` : value.shown;
    const counted = this.#counts.get(key);
    if (counted) counted.count += 1;
    else this.#counts.set(key, { shown: value.shown, count: 1 });
    switch (value.kind) {
      case "integer":
      case "number":
        this.#numbers.push(value.order ?? 0);
        break;
      case "date":
      case "datetime":
        if (this.#earliest === null || before(value, this.#earliest)) this.#earliest = value;
        if (this.#latest === null || before(this.#latest, value)) this.#latest = value;
        break;
      case "string": {
        const length = characters(String(value.shown));
        this.#minLength = Math.min(this.#minLength, length);
        this.#maxLength = Math.max(this.#maxLength, length);
        break;
      }
      case "boolean":
      case "object":
      case "array":
        break;
    }
  }

  /** The column's figures; `add` is not called any more. */
  finish(position: number, quantiles: readonly number[], top: number): Column {
    const type = this.#type();
    const numeric = type === "integer" || type === "number" ? this.#numeric(quantiles) : null;
    const dated = type === "date" || type === "datetime";
    return {
      name: this.name,
      position,
      type,
      types: Object.fromEntries(this.#kinds),
      present: this.#present,
      missing: this.#missing,
      distinct: this.#counts.size,
      min: numeric?.min ?? (dated ? (this.#earliest?.shown ?? null) : null),
      max: numeric?.max ?? (dated ? (this.#latest?.shown ?? null) : null),
      mean: numeric?.mean ?? null,
      stddev: numeric?.stddev ?? null,
      sum: numeric?.sum ?? null,
      quantiles: numeric?.quantiles ?? null,
      min_length: Number.isFinite(this.#minLength) ? this.#minLength : null,
      max_length: Number.isFinite(this.#maxLength) ? this.#maxLength : null,
      top: this.#top(top),
    };
  }

  #type(): Column["type"] {
    const kinds = [...this.#kinds.keys()];
    const [only] = kinds;
    if (only === undefined) return "empty";
    if (kinds.length === 1) return only;
    if (kinds.every((kind) => kind === "integer" || kind === "number")) return "number";
    if (kinds.every((kind) => kind === "date" || kind === "datetime")) return "datetime";
    return "mixed";
  }

  #numeric(quantiles: readonly number[]) {
    const sorted = Float64Array.from(this.#numbers).sort();
    let mean = 0;
    let squares = 0;
    // Welford's method: no difference of two large sums. In sorted order, so that the result
    // does not hang on the order of rows.
    sorted.forEach((number, i) => {
      const delta = number - mean;
      mean += delta / (i + 1);
      squares += delta * (number - mean);
    });
    const sum = exactSum(sorted);
    const stddev = sorted.length < 2 ? null : Math.sqrt(squares / (sorted.length - 1));
    return {
      min: sorted[0] ?? null,
      max: sorted.at(-1) ?? null,
      // Beyond what a number holds there is none; JSON has no Infinity.
      mean: finite(Number.isFinite(sum) ? sum / sorted.length : mean),
      stddev: finite(stddev),
      sum: finite(sum),
      quantiles: quantiles.map((q) => ({ q, value: quantile(sorted, q) })),
    };
  }

  #top(most: number): Column["top"] {
    // Stable, so equal counts stay in order of appearance.
    return [...this.#counts.values()]
      .sort((a, b) => b.count - a.count)
      .slice(0, most)
      .map(({ shown, count }) => ({ value: shown, count }));
  }
}

/** Neumaier's sum: small numbers are not lost beside large ones. */
function exactSum(numbers: Float64Array): number {
  let sum = 0;
  let lost = 0;
  for (const number of numbers) {
    const next = sum + number;
    lost += Math.abs(sum) >= Math.abs(number) ? sum - next + number : number - next + sum;
    sum = next;
  }
  return Number.isFinite(lost) ? sum + lost : sum;
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

function before(a: Value, b: Value): boolean {
  return (a.order ?? 0) < (b.order ?? 0);
}

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
