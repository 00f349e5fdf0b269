/** Where the shape of a service's messages is known from. */
export type GrpcSchema =
  /** The server tells it (grpc.reflection.v1, else v1alpha). */
  | { readonly from: "reflection" }
  /** A FileDescriptorSet, as `protoc --include_imports --descriptor_set_out` and `buf build` write it. */
  | { readonly from: "descriptor_set"; readonly bytes: Uint8Array }
  /** `.proto` texts by the names under which they import one another; google/protobuf/* are known. */
  | { readonly from: "proto"; readonly files: Readonly<Record<string, string>> };

export interface GrpcCallOptions {
  /** Where the address is not a connection's: `grpcs://host:port`, or `grpc://` for plaintext. */
  readonly target?: string | undefined;
  /** Default: reflection. */
  readonly schema?: GrpcSchema | undefined;
  /** Request metadata; names that end in `-bin` take base64. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** The call's deadline, told to the server too: ms or `30s`. Default 30 s; never later than the attempt's own. */
  readonly timeout?: number | string | undefined;
  /** One message, either way. Default and most 4 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Of a server stream: more are not taken. Default 100, most 10,000. */
  readonly maxMessages?: number | undefined;
  /** Sent as `idempotency-key`. Default `<execution id>/<step>`. */
  readonly idempotencyKey?: string | undefined;
  /** Says that the server does nothing twice, so that a call that may have arrived is made again in a later attempt. */
  readonly idempotent?: boolean | undefined;
  /** Names this call within its execution, for the log and the idempotency key. Default: its number. */
  readonly step?: string | undefined;
}

export interface GrpcAnswer {
  /** The answer, or a server stream's messages, as proto3 JSON. */
  readonly messages: readonly unknown[];
  /** Whether the method is a server stream. */
  readonly streaming: boolean;
  /** `cap`: the stream had more. */
  readonly endedBy: "status" | "cap";
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly durationMs: number;
}

/** The one way to call gRPC services. */
export interface GrpcClient {
  /**
   * Calls a unary or server-streaming method.
   *
   * @param method `package.Service/Method`
   * @param message proto3 JSON
   * @throws GrpcMessageError where the message does not fit, or there is no such method; OutboundRefusedError,
   *   ConnectionFailedError, TimeoutError, ResponseTooLargeError, UpstreamError (`status` is the gRPC code),
   *   ParkedError, or the reason of the scope's signal
   */
  call(method: string, message: unknown, options?: GrpcCallOptions): Promise<GrpcAnswer>;
}
