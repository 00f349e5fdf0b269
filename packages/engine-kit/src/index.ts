export { z } from "zod";
export {
  type AcceptStatus,
  type ClientKind,
  type Clients,
  type ClientsOf,
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  type Use,
} from "./clients.ts";
export {
  type GrpcAnswer,
  type GrpcCallOptions,
  type GrpcClient,
  type GrpcSchema,
} from "./grpc-client.ts";
export {
  type ExchangeEnd,
  type WebSocketClient,
  type WebSocketExchange,
  type WebSocketExchangeOptions,
  type WebSocketMessage,
} from "./websocket-client.ts";
export { type Mail, type SendMailOptions, type SentMail, type SmtpClient } from "./smtp-client.ts";
export { defineContract } from "./define-contract.ts";
export { defineEngine } from "./define-engine.ts";
export { describeEngine } from "./describe-engine.ts";
export { type EngineDescriptor, type EnginePolicyDescriptor } from "./descriptor.ts";
export {
  type Engine,
  type EngineContext,
  type EngineContract,
  type EngineDefinition,
  type EngineLog,
  type EnginePolicy,
  type InputOf,
  type Limited,
  type OutputOf,
} from "./engine.ts";
export { enginesOf } from "./engines-of.ts";
export {
  EngineDefinitionError,
  type ExecutionErrorCode,
  executionErrorCodes,
  type FailureFacts,
  type FailureOptions,
  RetryAfterError,
  TerminalError,
} from "./errors.ts";
export { httpUrl } from "./http-url.ts";
