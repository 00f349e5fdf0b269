export { createClient, type Client, type ClientOptions } from "./client.ts";
export type { ExecuteOptions } from "./execute.ts";
export type { RunOptions } from "./run.ts";
export type { WaitOptions } from "./wait-until-done.ts";
export type { DurationLike, SubmitSettings } from "./submit-body.ts";
export type { ExecutionBatch, IncludePart, ReadOptions } from "./read-status.ts";
export type { ExecutionPages, ListFilters } from "./list-executions.ts";
export type { ConnectionsClient } from "./connections.ts";
export type { CallOptions, KeysClient } from "./keys.ts";
export type {
  OutboundCallFilters,
  OutboundCallPages,
  OutboundCallsClient,
} from "./outbound-calls.ts";
export type { RotateOptions, WebhooksClient } from "./webhooks.ts";
export type { RemoteEnginesClient } from "./remote-engines.ts";
export type { RetryOptions } from "./retry.ts";
export {
  isDescribed,
  type Accepted,
  type EngineContract,
  type EngineRef,
  type Execution,
  type InputOf,
  type OutputOf,
  type TypedSchema,
} from "./engine-contract.ts";
export {
  ConnectionError,
  ExecutionFailedError,
  ExecutionPurgedError,
  ProblemError,
  TlError,
  UnexpectedAnswerError,
  WaitTimeoutError,
} from "./errors.ts";
export type {
  Attempt,
  Callback,
  CallbackDelivery,
  CallbackSecret,
  ChangeConnectionBody,
  ChangeEngine,
  ChangeKey,
  ChangeWebhookEndpoint,
  Connection,
  ConnectionTestResult,
  ConnectionDetail,
  CircuitReset,
  CreateConnectionBody,
  CreateKey,
  CreateWebhookEndpoint,
  EngineDetail,
  EngineMetrics,
  EngineStatus,
  EngineSummary,
  ExecutionError,
  ExecutionStatus,
  Key,
  KeyWithSecret,
  OutboundCall,
  OutboundCallDetail,
  Priority,
  Problem,
  ProblemCode,
  RegisterEngine,
  Tombstone,
  WaitReason,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from "./wire.ts";
