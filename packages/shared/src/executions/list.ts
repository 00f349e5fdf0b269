import type { ExecutionStatus } from "@tl-engine/contract";
import type pg from "pg";
import { executionColumns, type CallerRef, type ExecutionRow, type Include } from "./row.ts";

/** Which executions a list shows; what is left out does not narrow it. */
export interface ListFilters {
  status?: ExecutionStatus;
  engine?: string;
  version?: number;
  tag?: string;
  createdAfter?: Date;
  createdBefore?: Date;
}

export interface ListPage {
  /** Ids smaller than this one come next; null: from the newest. */
  beforeId: string | null;
  limit: number;
}

/** A page of the caller's executions (tl-plane: everybody's), newest first. */
export async function listExecutions(
  pool: pg.Pool,
  caller: CallerRef,
  filters: ListFilters,
  page: ListPage,
  include: Include,
): Promise<{ rows: ExecutionRow[]; more: boolean }> {
  const values: unknown[] = [];
  const where: string[] = [];
  const add = (condition: (place: string) => string, value: unknown): void => {
    if (value === undefined || value === null) return;
    values.push(value);
    where.push(condition(`$${values.length}`));
  };
  add((p) => `e.caller_id = ${p}`, caller.kind === "plane" ? null : caller.id);
  add((p) => `e.id < ${p}::uuid`, page.beforeId);
  add((p) => `e.status = ${p}`, filters.status);
  add((p) => `e.engine_id = ${p}`, filters.engine);
  add((p) => `e.version = ${p}`, filters.version);
  add((p) => `e.tags @> ARRAY[${p}]`, filters.tag);
  add((p) => `e.created_at > ${p}`, filters.createdAfter);
  add((p) => `e.created_at < ${p}`, filters.createdBefore);
  values.push(page.limit + 1);
  const result = await pool.query<ExecutionRow>(
    `SELECT ${executionColumns(include)} FROM executions e
     ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""}
     ORDER BY e.id DESC LIMIT $${values.length}`,
    values,
  );
  return { rows: result.rows.slice(0, page.limit), more: result.rows.length > page.limit };
}
