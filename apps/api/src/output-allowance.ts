import { describeExecution } from "@tl-engine/shared/executions/describe.ts";
import { readExecutions } from "@tl-engine/shared/executions/read.ts";
import type { CallerRef, ExecutionRow, Include } from "@tl-engine/shared/executions/row.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";

/** How many bytes of executions one answer may carry. */
export const allowanceBytes = 16 * 1024 * 1024;
/** Outputs of about so many bytes (as stored, maybe compressed) are read together. */
const chunkBytes = 256 * 1024;

/** Executions as JSON texts, and those whose output would have been too much. */
export interface Described {
  texts: string[];
  notIncluded: string[];
}

/** Neighbours whose stored outputs are small together; a large one is alone. */
function chunksOf(rows: readonly ExecutionRow[]): ExecutionRow[][] {
  const chunks: ExecutionRow[][] = [];
  let bytes = Infinity;
  for (const row of rows) {
    bytes += row.output_bytes;
    if (bytes > chunkBytes) {
      chunks.push([]);
      bytes = row.output_bytes;
    }
    chunks.at(-1)?.push(row);
  }
  return chunks;
}

/**
 * Describes the executions of a list with their outputs, in order, until the allowance is spent; from there on they
 * come without output and are named. Outputs are read piece by piece, so that no list holds hundreds of MiB.
 * @param rows read without output
 */
export async function describeWithOutputs(
  { pool }: Database,
  caller: CallerRef,
  rows: readonly ExecutionRow[],
  include: Include,
): Promise<Described> {
  const texts: string[] = [];
  const notIncluded: string[] = [];
  let spent = 0;
  for (const chunk of chunksOf(rows)) {
    const full = new Map<string, ExecutionRow>();
    if (notIncluded.length === 0) {
      const ids = chunk.map((row) => row.id);
      const read = await readExecutions(pool, caller, ids, { ...include, output: true });
      for (const row of read) full.set(row.id, row);
    }
    for (const row of chunk) {
      const withOutput = full.get(row.id);
      const text = withOutput && describeExecution(withOutput, { output: true });
      const fits = text !== undefined && spent + Buffer.byteLength(text) <= allowanceBytes;
      if (fits && notIncluded.length === 0) {
        spent += Buffer.byteLength(text);
        texts.push(text);
      } else {
        texts.push(describeExecution(row, { output: false }));
        notIncluded.push(row.id);
      }
    }
  }
  return { texts, notIncluded };
}
