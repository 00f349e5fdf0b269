import { describeExecution } from "@tl-engine/shared/executions/describe.ts";
import type { ExecutionRow, Include } from "@tl-engine/shared/executions/row.ts";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiContext } from "./endpoint.ts";
import { jsonText } from "./execution-answer.ts";
import { describeWithOutputs, type Described } from "./output-allowance.ts";

/**
 * Answers with several executions.
 * @param rows in the order of the answer, read without output
 * @param more further members of the answer: `next_cursor` or `not_found`
 */
export async function answerExecutions(
  c: ApiContext,
  { db }: ApiDeps,
  rows: readonly ExecutionRow[],
  include: Include,
  more: Record<string, unknown>,
): Promise<Response> {
  const { texts, notIncluded }: Described = include.output
    ? await describeWithOutputs(db, c.get("caller"), rows, include)
    : { texts: rows.map((row) => describeExecution(row, { output: false })), notIncluded: [] };
  const rest = { ...more, ...(notIncluded.length > 0 && { not_included: notIncluded }) };
  return jsonText(c, 200, `{"executions":[${texts.join(",")}],${JSON.stringify(rest).slice(1)}`);
}
