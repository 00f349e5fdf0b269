import { isDone } from "@tl-engine/contract";
import { describeExecution, etagOf } from "@tl-engine/shared/executions/describe.ts";
import type { ExecutionRow, Include } from "@tl-engine/shared/executions/row.ts";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiContext } from "./endpoint.ts";
import { matchesTag } from "./entity-tag.ts";
import { hold } from "./hold.ts";
import { readInclude } from "./include.ts";
import { executionNotFound, missing } from "./missing-execution.ts";
import { readInteger, readQuery } from "./query.ts";
import { retryAfterSeconds } from "./retry-after.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** An execution's id as the record writes it, or null where the text is none. */
export function readExecutionId(text: string): string | null {
  const id = text.toLowerCase();
  return uuid.test(id) ? id : null;
}

export interface AskedExecution {
  /** As the caller wrote it. */
  idText: string;
  /** Query parameters that the address takes besides `wait` and `include`. */
  parameters?: readonly string[];
  /** Whether the execution belongs under the address that was asked. */
  belongs?(row: Pick<ExecutionRow, "engine_id" | "version">): boolean;
}

const bare: Include = { output: false, input: false, attempts: false, calls: false };

/** How the caller wants it. @throws Refusal 400 */
function readWishes(c: ApiContext, parameters: readonly string[]) {
  const query = readQuery(c, [...parameters, "wait", "include"]);
  return {
    waitSeconds: readInteger("wait", query["wait"], 1, 60),
    include: readInclude(query["include"], true),
  };
}

/**
 * Answers with one execution; with `wait`, once it is done or (with If-None-Match) once its tag differs.
 * @throws Refusal 404, 410, 400
 */
export async function answerExecution(
  c: ApiContext,
  deps: ApiDeps,
  { idText, parameters = [], belongs = () => true }: AskedExecution,
): Promise<Response> {
  const caller = c.get("caller");
  const id = readExecutionId(idText);
  if (id === null) throw executionNotFound();
  c.set("executionId", id);
  let wishes: ReturnType<typeof readWishes>;
  try {
    wishes = readWishes(c, parameters);
  } catch (error) {
    // 404 and 410 come before 400, also where the query alone would settle it.
    const row = await deps.reader.read(caller, id, bare);
    if (row === null) throw await missing(deps, caller, id, belongs);
    throw belongs(row) ? error : executionNotFound();
  }
  const { waitSeconds, include } = wishes;
  const known = c.req.header("if-none-match");
  const isNews = (row: ExecutionRow): boolean =>
    !belongs(row) || isDone(row.status) || (known !== undefined && !matchesTag(known, etagOf(row)));
  const row =
    waitSeconds === undefined
      ? await deps.reader.read(caller, id, include)
      : await hold(c, deps, id, { seconds: waitSeconds, include, until: isNews });
  if (row === null) throw await missing(deps, caller, id, belongs);
  if (!belongs(row)) throw executionNotFound();
  const etag = etagOf(row);
  c.header("ETag", etag);
  c.header("Cache-Control", "private, no-cache");
  if (!isDone(row.status)) c.header("Retry-After", String(retryAfterSeconds(row, deps.now())));
  if (matchesTag(known, etag)) return c.body(null, 304);
  return jsonText(c, 200, describeExecution(row, { output: true }));
}

/** Answers with JSON text that is already written. */
export function jsonText(c: ApiContext, status: 200 | 201 | 202, text: string): Response {
  c.header("Content-Type", "application/json");
  return c.body(text, status);
}
