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
export { AllowListError, parseAllowList, type AllowList, type AllowRules } from "./allow-list.ts";
export { judgeAddress, type Judgement } from "./address-judge.ts";
export { createOutbound, type Outbound, type OutboundOptions } from "./outbound.ts";
