import type { Tombstone } from "@tl-engine/contract";
import type { CallerRef } from "@tl-engine/shared/executions/row.ts";
import type { TombstoneRow } from "@tl-engine/shared/executions/tombstones.ts";
import type { ApiDeps } from "./api-deps.ts";
import { Refusal } from "./problem.ts";

/** One text for an unknown execution, somebody else's, and one of another engine. */
export function executionNotFound(): Refusal {
  return new Refusal("execution_not_found", "There is no such execution");
}

/** What of a tombstone an answer says. */
export function describeTombstone(
  row: Pick<TombstoneRow, "execution_id" | "status" | "finished_at">,
): Tombstone {
  const { execution_id, status, finished_at } = row;
  return { execution_id, status, finished_at: finished_at.toISOString() };
}

/**
 * The refusal for an execution whose time of retention is over.
 * @param row null where its tombstone has gone too
 */
export function executionPurged(
  row: Pick<TombstoneRow, "execution_id" | "status" | "finished_at"> | null,
): Refusal {
  if (row === null) {
    return new Refusal("execution_purged", "The execution is finished, and has been removed");
  }
  const tombstone = describeTombstone(row);
  return new Refusal(
    "execution_purged",
    `The execution ended as ${tombstone.status} at ${tombstone.finished_at}, and has been removed`,
    { tombstone },
  );
}

/**
 * The refusal for an execution that was not found: 410 where the caller had it, else 404.
 * @throws what Postgres says
 */
export async function missing(
  { reader }: ApiDeps,
  caller: CallerRef,
  id: string,
  belongs: (row: Pick<TombstoneRow, "engine_id" | "version">) => boolean = () => true,
): Promise<Refusal> {
  const tombstone = await reader.readTombstone(caller, id);
  return tombstone !== null && belongs(tombstone)
    ? executionPurged(tombstone)
    : executionNotFound();
}
