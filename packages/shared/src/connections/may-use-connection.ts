import type { ConnectionKind } from "@tl-engine/contract";
import type { StoredConnection } from "./read-connection.ts";

/** The engine behind `POST /connections/{id}/test`. */
export const connectionTestEngine = "connection.test";

/** Who wants to make a call, and over what. */
export interface ConnectionUse {
  readonly kind: ConnectionKind;
  readonly engineId: string;
  readonly callerId: string;
}

/**
 * Whether an execution may use a connection: it is of that kind, it is on, and its lists have the engine and the caller.
 * tl-plane's test of a connection may always: before it is on, and whoever it is meant for.
 */
export function mayUseConnection(
  connection: StoredConnection,
  { kind, engineId, callerId }: ConnectionUse,
): boolean {
  if (connection.kind !== kind) return false;
  if (callerId === "plane" && engineId === connectionTestEngine) return true;
  const { is_active, engines, callers } = connection;
  if (!is_active) return false;
  return (
    (engines === null || engines.includes(engineId)) &&
    (callers === null || callers.includes(callerId))
  );
}
