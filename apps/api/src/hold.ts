import type { ExecutionRow, Include } from "@tl-engine/shared/executions/row.ts";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiContext } from "./endpoint.ts";

export interface HoldOptions {
  seconds: number;
  include: Include;
  until(row: ExecutionRow): boolean;
  justAccepted?: boolean;
}

/** Holds the request until the execution is as its caller wants it, the time is up, or the caller has gone. */
export async function hold(
  c: ApiContext,
  { watcher }: ApiDeps,
  id: string,
  { seconds, ...options }: HoldOptions,
): Promise<ExecutionRow | null> {
  const since = performance.now();
  try {
    return await watcher.wait(c.get("caller"), id, {
      ...options,
      timeoutMs: seconds * 1000,
      signal: c.req.raw.signal,
    });
  } finally {
    c.set("waitedMs", performance.now() - since);
  }
}
