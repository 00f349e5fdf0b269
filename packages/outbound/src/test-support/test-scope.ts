import { type CallScope } from "../scope.ts";
import { noConnections } from "../no-connections.ts";
import { type OutboundCall } from "../ports.ts";

/** A scope whose calls are kept in a list. */
export interface TestScope extends CallScope {
  readonly calls: readonly OutboundCall[];
}

export function createTestScope(scope: Partial<CallScope> = {}): TestScope {
  const calls: OutboundCall[] = [];
  return {
    executionId: "0199-execution",
    attempt: 2,
    dispatch: 7,
    signal: new AbortController().signal,
    callLog: { record: (call) => calls.push(call) },
    ...noConnections,
    ...scope,
    calls,
  };
}
