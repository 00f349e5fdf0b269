import { type HttpScope } from "../http-client.ts";
import { type OutboundCall } from "../ports.ts";

/** A scope whose calls are kept in a list. */
export interface TestScope extends HttpScope {
  readonly calls: readonly OutboundCall[];
}

export function createTestScope(scope: Partial<HttpScope> = {}): TestScope {
  const calls: OutboundCall[] = [];
  return {
    executionId: "0199-execution",
    attempt: 2,
    dispatch: 7,
    signal: new AbortController().signal,
    callLog: { record: (call) => calls.push(call) },
    ...scope,
    calls,
  };
}
