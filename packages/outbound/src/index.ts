export {
  type AcceptStatus,
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
} from "./http-client.ts";
export {
  type Admission,
  type Admitted,
  type BreakerPolicy,
  type CallLog,
  type Connection,
  type ConnectionAuth,
  type ConnectionSource,
  type ConnectionTls,
  type DoorPorts,
  type OAuthClient,
  type OutboundCall,
  type Protocol,
  type ResendableRequest,
  type Resolver,
  type RetryPolicy,
  type TokenSource,
} from "./ports.ts";
export { noConnections } from "./no-connections.ts";
export { type CallScope } from "./scope.ts";
export { authorize, type AuthorizedRequest, type AuthorizeOptions } from "./auth/authorize.ts";
export { isOwnOrigin } from "./auth/own-origin.ts";
export {
  ConnectionFailedError,
  OutboundError,
  OutboundRefusedError,
  type Park,
  ParkedError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "./errors.ts";
export { AllowListError, parseAllowList, type AllowList, type AllowRules } from "./allow-list.ts";
export { judgeAddress, type Judgement } from "./address-judge.ts";
export { createOutbound, type Outbound, type OutboundOptions } from "./outbound.ts";
export {
  type GrpcAnswer,
  type GrpcCallOptions,
  type GrpcClient,
  type GrpcSchema,
} from "./grpc/grpc-client.ts";
export {
  type ExchangeEnd,
  type WebSocketClient,
  type WebSocketExchange,
  type WebSocketExchangeOptions,
  type WebSocketMessage,
} from "./websocket/websocket-client.ts";
export {
  type Mail,
  type SendMailOptions,
  type SentMail,
  type SmtpClient,
} from "./smtp/smtp-client.ts";
