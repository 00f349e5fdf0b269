import type { Execution } from "./engine-contract.ts";
import { pathOf } from "./path.ts";
import type { Http } from "./retry.ts";
import type { Tombstone } from "./wire.ts";

/** What a status tells on request. `output` is for several ids and lists; one id has it always. */
export type IncludePart = "attempts" | "calls" | "input" | "output";

export interface ReadOptions {
  include?: readonly IncludePart[] | undefined;
  signal?: AbortSignal | undefined;
}

/** Several executions at once. */
export interface ExecutionBatch {
  executions: Execution[];
  /** Ids that are nobody's, or somebody else's. */
  not_found: string[];
  /** What is left of those whose time of retention is over. */
  purged: Tombstone[];
  /** Ids whose output was left out, since the answer was full. */
  not_included: string[];
}

/** @throws ProblemError `execution_not_found` | ExecutionPurgedError */
export async function readStatus<Output>(
  http: Http,
  id: string,
  { include, signal }: ReadOptions = {},
): Promise<Execution<Output>> {
  const answer = await http.send({
    method: "GET",
    path: pathOf("executions", id),
    query: { include: includeText(include) },
    signal,
  });
  return answer.body as Execution<Output>;
}

/** Any number of ids: they are asked for a hundred at a time, the most that the API takes. */
export async function readStatuses(
  http: Http,
  ids: readonly string[],
  { include, signal }: ReadOptions = {},
): Promise<ExecutionBatch> {
  const all: ExecutionBatch = { executions: [], not_found: [], purged: [], not_included: [] };
  for (let from = 0; from < ids.length; from += 100) {
    const answer = await http.send({
      method: "GET",
      path: pathOf("engines", "status"),
      query: {
        execution_id: ids.slice(from, from + 100).join(","),
        include: includeText(include),
      },
      signal,
    });
    const batch = answer.body as Partial<ExecutionBatch>;
    all.executions.push(...(batch.executions ?? []));
    all.not_found.push(...(batch.not_found ?? []));
    all.purged.push(...(batch.purged ?? []));
    all.not_included.push(...(batch.not_included ?? []));
  }
  return all;
}

/** The query's value; undefined, and so left out, where nothing is asked for. */
export function includeText(include: readonly IncludePart[] | undefined): string | undefined {
  return include && include.length > 0 ? include.join(",") : undefined;
}
