import { setImmediate } from "node:timers/promises";
import { defineEngine } from "@tl-engine/engine-kit";
import { analyzeTableContract } from "./contract.ts";
import { csvRecords } from "./csv-records.ts";
import { Table } from "./table.ts";

const rowsAtOnce = 2000;
/** Reading is most of the work; the figures are made of what was read. */
const shareOfReading = 0.9;

export default defineEngine({
  ...analyzeTableContract,
  isolation: "thread",
  timeout: { default: "2m", max: "30m" },
  // The same table has the same figures, and the same faults.
  maxAttempts: { default: 1, max: 3 },

  async run(input, ctx) {
    const table = new Table(input.missing);
    if ("csv" in input) {
      let named = false;
      for await (const { records, share } of csvRecords(input.csv, input)) {
        ctx.signal.throwIfAborted();
        for (const record of records) {
          if (named) table.addRecord(record);
          else {
            named = true;
            table.setColumns(input.header ? record : record.map((_, i) => `column_${i + 1}`));
            if (!input.header) table.addRecord(record);
          }
        }
        ctx.progress(share * shareOfReading, `${table.rowCount} rows`);
      }
    } else {
      for (let at = 0; at < input.rows.length; at += rowsAtOnce) {
        for (const row of input.rows.slice(at, at + rowsAtOnce)) table.addRow(row);
        ctx.progress(
          Math.min(1, (at + rowsAtOnce) / input.rows.length) * shareOfReading,
          `${table.rowCount} rows`,
        );
        // oxlint-disable-next-line no-await-in-loop -- a pause is the point
        await setImmediate();
        ctx.signal.throwIfAborted();
      }
    }
    const columns = table.finish(input.quantiles, input.top);
    ctx.progress(1, `${table.rowCount} rows`);
    return {
      row_count: table.rowCount,
      column_count: columns.length,
      ragged_rows: table.raggedRows,
      columns,
    };
  },
});
