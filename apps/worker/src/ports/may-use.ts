import {
  mayUseConnection,
  type ConnectionUse,
} from "@tl-engine/shared/connections/may-use-connection.ts";
import type { StoredConnection } from "@tl-engine/shared/connections/read-connection.ts";

/** An execution that asks for a connection: what the worker itself knows of it. */
export interface AskingExecution {
  readonly executionId: string;
  readonly callerId: string;
  readonly engine: { readonly engineId: string; readonly uses: readonly string[] };
}

/** Whether an execution may use a connection of this kind: by the word of its engine, and by the connection's. */
export function mayUse(
  { engine, callerId }: AskingExecution,
  stored: StoredConnection,
  kind: ConnectionUse["kind"],
): boolean {
  const { engineId, uses } = engine;
  return (
    (uses.includes(kind) || uses.includes(`${kind}:${stored.id}`)) &&
    mayUseConnection(stored, { kind, engineId, callerId })
  );
}
