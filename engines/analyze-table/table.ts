import { TerminalError } from "@tl-engine/engine-kit";
import { type Column, ColumnProfile } from "./column-profile.ts";
import { valueOfJson, valueOfText } from "./value-kinds.ts";

/** More columns than this are a table lying on its side. */
export const mostColumns = 2000;

/** Gathers rows into columns. */
export class Table {
  readonly #columns: ColumnProfile[] = [];
  readonly #byName = new Map<string, ColumnProfile>();
  readonly #missing: ReadonlySet<string>;
  rowCount = 0;
  raggedRows = 0;

  constructor(missing: readonly string[]) {
    this.#missing = new Set(missing);
  }

  /** The columns of a CSV file, in order; names may repeat. */
  setColumns(names: readonly string[]): void {
    if (names.length > mostColumns) throw tooManyColumns();
    for (const name of names) this.#columns.push(new ColumnProfile(name));
  }

  addRecord(fields: readonly string[]): void {
    this.rowCount += 1;
    if (fields.length !== this.#columns.length) this.raggedRows += 1;
    this.#columns.forEach((column, i) => {
      const text = fields[i];
      if (text === undefined || this.#missing.has(text.trim())) column.addMissing();
      else column.add(valueOfText(text));
    });
  }

  addRow(row: Readonly<Record<string, unknown>>): void {
    for (const name of Object.keys(row)) {
      if (this.#byName.has(name)) continue;
      if (this.#columns.length >= mostColumns) throw tooManyColumns();
      const column = new ColumnProfile(name, this.rowCount);
      this.#byName.set(name, column);
      this.#columns.push(column);
    }
    this.rowCount += 1;
    for (const column of this.#columns) {
      const value = Object.hasOwn(row, column.name) ? row[column.name] : null;
      if (value === null || value === undefined || this.#stands(value)) column.addMissing();
      else column.add(valueOfJson(value));
    }
  }

  finish(quantiles: readonly number[], top: number): Column[] {
    return this.#columns.map((column, i) => column.finish(i + 1, quantiles, top));
  }

  #stands(value: unknown): boolean {
    return typeof value === "string" && this.#missing.has(value.trim());
  }
}

function tooManyColumns(): TerminalError {
  return new TerminalError(`The table has more than ${mostColumns} columns`, {
    code: "input_invalid",
  });
}
