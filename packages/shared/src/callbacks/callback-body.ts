import type pg from "pg";
import { describeExecution } from "../executions/describe.ts";
import { readExecutions } from "../executions/read.ts";

/** An output whose JSON text is longer is left out of the body, bytes. */
export const maxCallbackOutputBytes = 256 * 1024;

/**
 * The body that tells of an execution's end: `{"type", "timestamp", "data"}`, where data is what the status shows to its
 * caller. It is the same in every try, since a finished execution never changes. An output over
 * {@link maxCallbackOutputBytes} is left out, and `output_omitted` says how large it is.
 * @returns null where the execution has been removed
 * @throws what Postgres says
 */
export async function callbackBody(
  pool: pg.Pool,
  executionId: string,
  event: string,
): Promise<string | null> {
  const include = { output: false, input: false, attempts: false, calls: false };
  const [row] = await readExecutions(pool, { kind: "plane", id: "plane" }, [executionId], include);
  if (row === undefined || row.finished_at === null) return null;
  const { rows } = await pool.query<{ bytes: number | null; output: string | null }>({
    name: "read-callback-output",
    text: `SELECT octet_length(output::text) AS bytes,
        CASE WHEN octet_length(output::text) <= ${maxCallbackOutputBytes} THEN output::text END AS output
      FROM executions WHERE id = $1`,
    values: [executionId],
  });
  const { bytes, output } = rows[0] ?? { bytes: null, output: null };
  const omitted = bytes !== null && output === null;
  const data = describeExecution({ ...row, output }, { output: !omitted });
  const marked = omitted
    ? `${data.slice(0, -1)},"output_omitted":${JSON.stringify({ bytes, limit_bytes: maxCallbackOutputBytes })}}`
    : data;
  return envelope(event, row.finished_at, marked);
}

/** The body of an endpoint's test. */
export function testBody(endpointId: string, at: Date): string {
  return envelope("test.ping", at, JSON.stringify({ endpoint: endpointId }));
}

function envelope(type: string, at: Date, data: string): string {
  return `{"type":${JSON.stringify(type)},"timestamp":${JSON.stringify(at.toISOString())},"data":${data}}`;
}
