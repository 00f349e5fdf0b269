import type { Execution } from "./engine-contract.ts";
import { readPages } from "./pages.ts";
import { pathOf } from "./path.ts";
import { includeText, type ReadOptions } from "./read-status.ts";
import type { Http } from "./retry.ts";
import type { ExecutionStatus } from "./wire.ts";

export interface ListFilters extends ReadOptions {
  status?: ExecutionStatus | undefined;
  /** An engine's id. */
  engine?: string | undefined;
  tag?: string | undefined;
  createdAfter?: Date | string | undefined;
  createdBefore?: Date | string | undefined;
  /** Executions a page, 1–100. Default 50. */
  pageSize?: number | undefined;
}

/** Executions one by one, newest first; the next page is asked for when the last one is used up. */
export interface ExecutionPages extends AsyncIterable<Execution> {
  /** The same, a page at a time. */
  pages(): AsyncIterable<Execution[]>;
}

/** The caller's own executions (tl-plane: everybody's). Nothing is asked before the first step. */
export function listExecutions(http: Http, filters: ListFilters = {}): ExecutionPages {
  const pages = () =>
    readPages<Execution>(http, {
      path: pathOf("executions"),
      member: "executions",
      query: {
        status: filters.status,
        engine: filters.engine,
        tag: filters.tag,
        created_after: timeText(filters.createdAfter),
        created_before: timeText(filters.createdBefore),
        include: includeText(filters.include),
        limit: filters.pageSize,
      },
      signal: filters.signal,
    });
  return {
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const page of pages()) yield* page;
    },
  };
}

function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}
