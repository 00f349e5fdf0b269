export {
  type AcceptStatus,
  type HttpClient,
  type HttpRequestOptions,
  type HttpResponse,
  type HttpScope,
} from "./http-client.ts";
export { type CallLog, type OutboundCall, type Resolver } from "./ports.ts";
export {
  ConnectionFailedError,
  OutboundError,
  OutboundRefusedError,
  ResponseTooLargeError,
  TimeoutError,
  UpstreamError,
} from "./errors.ts";
