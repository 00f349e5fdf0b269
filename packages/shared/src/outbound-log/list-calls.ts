import type pg from "pg";
import type { CallerRef } from "../executions/row.ts";
import { lowestCallId } from "./call-ids.ts";
import { callJson } from "./call-json.ts";

/** Which calls a list shows; what is left out does not narrow it. */
export interface CallFilters {
  executionId?: string;
  engine?: string;
  connection?: string;
  protocol?: string;
  host?: string;
  /** From and to which status. */
  status?: { from: number; to: number };
  errorCode?: string;
  /** `failed`: it ended with an error, or was answered with a status of 400 or more. */
  result?: "ok" | "failed";
  attempt?: number;
  purpose?: string;
  startedAfter?: Date;
  startedBefore?: Date;
}

export interface CallPage {
  /** JSON of each call, newest first. */
  calls: string[];
  /** Ids smaller than this one come next; null: there are none. */
  next: string | null;
}

export interface CallPlace {
  /** Ids smaller than this one come next; null: from the newest. */
  before: string | null;
  limit: number;
}

/**
 * Calls that one page looks at. Filters that few calls pass would otherwise read the whole log: a page may be short, or
 * empty, and still have a next one.
 */
const mostLookedAt = 10_000;
const highestId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const failed = "(error_code IS NOT NULL OR (protocol = 'http' AND coalesce(status, 0) >= 400))";

/** A page of the caller's calls (tl-plane: everybody's), newest first. @throws what Postgres says */
export async function listCalls(
  pool: pg.Pool,
  caller: CallerRef,
  filters: CallFilters,
  { before, limit }: CallPlace,
  lookedAt: number = mostLookedAt,
): Promise<CallPage> {
  const values: unknown[] = [];
  const place = (value: unknown): string => `$${values.push(value)}`;
  /** What the index in use answers; the rest is looked at row by row. */
  const found: string[] = [];
  const passes: string[] = [];
  const add = (
    where: string[],
    value: unknown,
    condition: (place: string) => string | null,
  ): void => {
    if (value === undefined || value === null) return;
    const sql = condition(place(value));
    if (sql !== null) where.push(sql);
  };
  const isPlane = caller.kind === "plane";
  // One index for each kind of list, so that its cost is known: of an execution, of a caller, of a connection, all.
  const ofExecution = filters.executionId !== undefined;
  add(found, filters.executionId, (p) => `execution_id = ${p}::uuid`);
  if (!isPlane) add(ofExecution ? passes : found, caller.id, (p) => `caller_id = ${p}`);
  const byConnection = isPlane && !ofExecution;
  add(byConnection ? found : passes, filters.connection, (p) => `connection = ${p}`);
  add(passes, filters.engine, (p) => `engine_id = ${p}`);
  add(passes, filters.protocol, (p) => `protocol = ${p}`);
  add(passes, filters.host, (p) => `host = ${p}`);
  add(passes, filters.status?.from, (p) => `status >= ${p}`);
  add(passes, filters.status?.to, (p) => `status <= ${p}`);
  add(passes, filters.errorCode, (p) => `error_code = ${p}`);
  if (filters.result !== undefined) passes.push(filters.result === "ok" ? `NOT ${failed}` : failed);
  add(passes, filters.attempt, (p) => `attempt = ${p}`);
  add(passes, filters.purpose, (p) => `purpose = ${p}`);

  const { startedAfter, startedBefore } = filters;
  const from = startedAfter === undefined ? 0 : startedAfter.getTime() + 1;
  const tops = [
    before ?? highestId,
    ...(startedBefore === undefined ? [] : [lowestCallId(startedBefore.getTime())]),
  ].sort();
  found.push(`call_id >= ${place(lowestCallId(from))}::uuid`, `call_id < ${place(tops[0])}::uuid`);
  const source = ofExecution ? "of_execution" : "outbound_calls";
  const ownRows = ofExecution
    ? `of_execution AS MATERIALIZED (SELECT * FROM outbound_calls WHERE ${found.join(" AND ")}),`
    : "";
  const looked = (columns: string, most: string): string =>
    `SELECT ${columns} FROM ${source} WHERE ${ofExecution ? "true" : found.join(" AND ")} ORDER BY call_id DESC ${most}`;
  const limitPlace = place(limit + 1);
  const lookedPlace = place(lookedAt);

  const { rows } = await pool.query<{ calls: string[]; ids: string[]; looked_to: string | null }>(
    `WITH ${ownRows} matched AS MATERIALIZED (
       SELECT id, call_id FROM (${looked("*", `LIMIT ${lookedPlace}`)}) AS l
       ${passes.length > 0 ? `WHERE ${passes.join(" AND ")}` : ""} ORDER BY call_id DESC LIMIT ${limitPlace}
     )
     SELECT coalesce(array_agg(${callJson({ bodies: false })}::text ORDER BY c.call_id DESC), '{}') AS calls,
       coalesce(array_agg(c.call_id::text ORDER BY c.call_id DESC), '{}') AS ids,
       CASE WHEN (SELECT count(*) FROM matched) < ${limitPlace}
         THEN (${looked("call_id", `OFFSET ${lookedPlace} - 1 LIMIT 1`)}) END AS looked_to
     FROM matched m JOIN outbound_calls c ON c.id = m.id`,
    values,
  );
  const [answer] = rows;
  if (answer === undefined) throw new Error("Postgres said nothing");
  const { calls, ids, looked_to } = answer;
  return {
    calls: calls.slice(0, limit),
    next: calls.length > limit ? (ids[limit - 1] ?? null) : looked_to,
  };
}
