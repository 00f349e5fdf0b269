import { setImmediate } from "node:timers/promises";
import { TerminalError } from "@tl-engine/engine-kit";
import { CsvError, parse } from "csv-parse";

const chunkBytes = 65_536;

export interface CsvOptions {
  readonly delimiter: string;
  readonly ragged: "refuse" | "pad";
}

/**
 * The records of a CSV text (RFC 4180; line ends of any kind, empty lines skipped), in batches, one
 * for each piece of the text, so that its thread stays reachable in between.
 *
 * @throws TerminalError `input_invalid` with the line, where the text is no CSV
 */
export async function* csvRecords(
  text: string,
  options: CsvOptions,
): AsyncGenerator<{ records: string[][]; share: number }> {
  const parser = parse({
    bom: true,
    delimiter: options.delimiter,
    skip_empty_lines: true,
    relax_column_count: options.ragged === "pad",
  });
  // Pieces of bytes and not of text: a cut between two halves of a character does no harm.
  const bytes = Buffer.from(text);
  let failure: Error | null = null;
  parser.on("error", (error) => (failure ??= error));
  const records = (): string[][] => {
    const batch: string[][] = [];
    for (;;) {
      const record = parser.read() as string[] | null;
      if (record === null) return batch;
      batch.push(record);
    }
  };
  try {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      parser.write(bytes.subarray(at, at + chunkBytes));
      // oxlint-disable-next-line no-await-in-loop -- a pause is the point
      await setImmediate();
      if (failure) throw failureOf(failure);
      yield { records: records(), share: Math.min(1, (at + chunkBytes) / bytes.length) };
    }
    parser.end();
    await setImmediate();
    if (failure) throw failureOf(failure);
    yield { records: records(), share: 1 };
  } finally {
    parser.destroy();
  }
}

const words: Readonly<Record<string, string>> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH:
    'another number of fields than the first record; correct it, or ask for ragged: "pad"',
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and not closed before the text ends",
  CSV_INVALID_CLOSING_QUOTE: "after a closing quote comes neither the delimiter nor the line's end",
  INVALID_OPENING_QUOTE: "a quote stands inside of a field that does not begin with one",
  CSV_MAX_RECORD_SIZE: "the record is too long",
};

function failureOf(error: Error): TerminalError {
  const code = error instanceof CsvError ? error.code : "";
  const { lines, record } = error as { lines?: unknown; record?: unknown };
  const line = typeof lines === "number" ? lines : null;
  const fields = Array.isArray(record) ? ` (${record.length} fields)` : "";
  return new TerminalError(
    `The CSV cannot be read${line === null ? "" : `: line ${line}${fields}`}: ${words[code] ?? error.message}`,
    {
      code: "input_invalid",
      details: {
        pointer: "/csv",
        ...(line === null ? {} : { line }),
        ...(code ? { csv_code: code } : {}),
      },
    },
  );
}
