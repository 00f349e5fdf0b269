import type { KnownCaller } from "./callers.ts";
import type { Operation } from "./operations.ts";

/** Scopes that open an operation; the document says them in words alone. `*`: any that begins so. */
const needed: Readonly<Record<string, readonly string[]>> = {
  execute: ["engines:execute*"],
  executeEngine: ["engines:execute*"],
  listEngines: ["engines:read"],
  getEngine: ["engines:read"],
  getEngineMetrics: ["metrics:read"],
  // By the query.
  getStatus: ["engines:read", "executions:read"],
  getEngineStatus: ["engines:read", "executions:read"],
  getExecution: ["executions:read"],
  listExecutions: ["executions:read"],
  cancelExecution: ["executions:write"],
  listOutboundCalls: ["executions:read"],
  getOutboundCall: ["executions:read"],
  resendOutboundCall: ["executions:write"],
  getExecutionCallbacks: ["executions:read"],
  resendCallback: ["executions:write"],
  createWebhookEndpoint: ["executions:write"],
  listWebhookEndpoints: ["executions:read"],
  getWebhookEndpoint: ["executions:read"],
  changeWebhookEndpoint: ["executions:write"],
  deleteWebhookEndpoint: ["executions:write"],
  rotateWebhookSecret: ["executions:write"],
  enableWebhookEndpoint: ["executions:write"],
  testWebhookEndpoint: ["executions:write"],
  getCallbackSecret: ["executions:write"],
  rotateCallbackSecret: ["executions:write"],
};

/** Statuses that the caller may see, where his credential alone settles it; null: it does not. */
export function statusesByAccess(
  operation: Operation,
  caller: KnownCaller | null,
): readonly number[] | null {
  if (operation.credential === "none") return null;
  // Nobody comes in, whoever he is.
  if (operation.credential === "own") return [401];
  if (caller === null) return [401];
  if (caller.limit === "spent") return [429];
  if (caller.kind === "plane") return null;
  if (operation.credential === "plane") return [403];
  const scopes = needed[operation.id];
  if (scopes === undefined || caller.scopes === null) return null;
  const held = [...caller.scopes];
  const isOpen = scopes.some((scope) =>
    scope.endsWith("*")
      ? held.some((one) => one.startsWith(scope.slice(0, -1)))
      : held.includes(scope),
  );
  return isOpen ? null : [403];
}
