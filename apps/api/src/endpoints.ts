import type { Endpoint } from "./endpoint.ts";
import { cancelExecution } from "./routes/cancel-execution.ts";
import { changeConnection } from "./routes/change-connection.ts";
import { changeEngine } from "./routes/change-engine.ts";
import { changeKey } from "./routes/change-key.ts";
import { changeWebhookEndpoint } from "./routes/change-webhook-endpoint.ts";
import { completeExecution } from "./routes/complete-execution.ts";
import { createConnection } from "./routes/create-connection.ts";
import { createKey } from "./routes/create-key.ts";
import { createWebhookEndpoint } from "./routes/create-webhook-endpoint.ts";
import { deleteConnection } from "./routes/delete-connection.ts";
import { deleteWebhookEndpoint } from "./routes/delete-webhook-endpoint.ts";
import { docsAsset, docsPage } from "./routes/docs.ts";
import { enableWebhookEndpoint } from "./routes/enable-webhook-endpoint.ts";
import { engineStatus } from "./routes/engine-status.ts";
import { enginesMetrics } from "./routes/engines-metrics.ts";
import { enginesStatus } from "./routes/engines-status.ts";
import { executeAnyEngine } from "./routes/execute-any-engine.ts";
import { executeEngine } from "./routes/execute-engine.ts";
import { getCallbackSecret } from "./routes/get-callback-secret.ts";
import { getCallbacks } from "./routes/get-callbacks.ts";
import { getConnection } from "./routes/get-connection.ts";
import { getEngine } from "./routes/get-engine.ts";
import { getExecution } from "./routes/get-execution.ts";
import { getKey } from "./routes/get-key.ts";
import { getOutboundCall } from "./routes/get-outbound-call.ts";
import { getWebhookEndpoint } from "./routes/get-webhook-endpoint.ts";
import { healthz } from "./routes/healthz.ts";
import { listConnections } from "./routes/list-connections.ts";
import { listEngines } from "./routes/list-engines.ts";
import { listOwnExecutions } from "./routes/list-executions.ts";
import { listKeys } from "./routes/list-keys.ts";
import { listOutboundCalls } from "./routes/list-outbound-calls.ts";
import { listWebhookEndpoints } from "./routes/list-webhook-endpoints.ts";
import { openapiJson } from "./routes/openapi-json.ts";
import { readyz } from "./routes/readyz.ts";
import { registerEngine } from "./routes/register-engine.ts";
import { rerollKey } from "./routes/reroll-key.ts";
import { resendCallback } from "./routes/resend-callback.ts";
import { resendOutboundCall } from "./routes/resend-outbound-call.ts";
import { revokeKey } from "./routes/revoke-key.ts";
import { rotateCallbackSecret } from "./routes/rotate-callback-secret.ts";
import { rotateWebhookSecret } from "./routes/rotate-webhook-secret.ts";
import { resetCircuit } from "./routes/reset-circuit.ts";
import { testConnection } from "./routes/test-connection.ts";
import { testWebhookEndpoint } from "./routes/test-webhook-endpoint.ts";
import { unregisterEngine } from "./routes/unregister-engine.ts";

/** Every endpoint that is served; the document, the 404s and the 405s are made of this list. */
export const endpoints: readonly Endpoint[] = [
  executeAnyEngine,
  executeEngine,
  enginesStatus,
  engineStatus,
  getExecution,
  listOwnExecutions,
  cancelExecution,
  completeExecution,
  listOutboundCalls,
  getOutboundCall,
  resendOutboundCall,
  getCallbacks,
  resendCallback,
  createWebhookEndpoint,
  listWebhookEndpoints,
  getWebhookEndpoint,
  changeWebhookEndpoint,
  deleteWebhookEndpoint,
  rotateWebhookSecret,
  enableWebhookEndpoint,
  testWebhookEndpoint,
  getCallbackSecret,
  rotateCallbackSecret,
  listEngines,
  enginesMetrics,
  getEngine,
  registerEngine,
  changeEngine,
  unregisterEngine,
  createKey,
  listKeys,
  getKey,
  changeKey,
  revokeKey,
  rerollKey,
  createConnection,
  listConnections,
  getConnection,
  changeConnection,
  deleteConnection,
  testConnection,
  resetCircuit,
  openapiJson,
  docsPage,
  docsAsset,
  healthz,
  readyz,
];
