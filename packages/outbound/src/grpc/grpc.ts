import {
  fromJson,
  toBinary,
  toJson,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type Transport } from "@connectrpc/connect";

import { authorize } from "../auth/authorize.ts";
import { renewOnce, type TokenOfCall } from "../auth/renew-once.ts";
import { CallEnd } from "../call-end.ts";
import { callTimeoutMs } from "../call-timeout.ts";
import { dial } from "../dial.ts";
import { OutboundRefusedError } from "../errors.ts";
import { idempotencyKeyOf } from "../idempotency-key.ts";
import { type Connection } from "../ports.ts";
import { makeProtocolCall, type Tally } from "../protocol-call.ts";
import { type CallScope } from "../scope.ts";
import { type Connecting } from "../send-hop.ts";
import { readProtocolTarget, type Target } from "../target.ts";
import { CallTimeUp, timeoutError } from "../time-up.ts";
import { type GrpcAnswer, type GrpcCallOptions, type GrpcClient } from "./grpc-client.ts";
import { grpcError, GrpcMessageError, isGrpcFault, isUnauthenticated } from "./grpc-errors.ts";
import { checkMetadata, plainMetadata } from "./metadata.ts";
import { methodOf, readMethodName } from "./method-of.ts";
import { reflectService } from "./reflection.ts";
import { type KnownService, type SchemaCache } from "./schema-cache.ts";
import { MAX_MESSAGE_BYTES, type SessionPool } from "./session-pool.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MESSAGES = 100;
const MAX_MESSAGES = 10_000;

/** What all gRPC clients of a process share. */
export interface GrpcParts {
  readonly connecting: Connecting;
  readonly sessions: SessionPool;
  readonly schemas: SchemaCache;
}

/** A gRPC client for one attempt of one execution; without a connection each call names its target. */
export function createGrpcClient(
  parts: GrpcParts,
  scope: CallScope,
  connectionId?: string,
): GrpcClient {
  let calls = 0;
  return {
    async call(method, message, options = {}) {
      calls++;
      scope.signal.throwIfAborted();
      // For each call anew: it may have been changed meanwhile.
      const connection =
        connectionId === undefined
          ? null
          : await scope.connections.connection(connectionId, "grpc");
      const step = options.step ?? String(calls);
      return new GrpcCall(parts, scope, connection, method, options, step).run(message);
    },
  };
}

/** One call. */
class GrpcCall {
  readonly #parts: GrpcParts;
  readonly #scope: CallScope;
  readonly #connection: Connection | null;
  readonly #options: GrpcCallOptions;
  readonly #step: string;
  readonly #target: Target;
  readonly #service: string;
  readonly #method: string;
  readonly #deadlineMs: number;
  readonly #token: TokenOfCall = { stale: null, used: null };

  constructor(
    parts: GrpcParts,
    scope: CallScope,
    connection: Connection | null,
    method: string,
    options: GrpcCallOptions,
    step: string,
  ) {
    this.#parts = parts;
    this.#scope = scope;
    this.#connection = connection;
    this.#options = options;
    this.#step = step;
    this.#target = targetOf(connection, options.target);
    const name = readMethodName(method);
    this.#service = name.service;
    this.#method = name.method;
    const asked = callTimeoutMs(
      options.timeout ?? connection?.timeouts.totalMs ?? DEFAULT_TIMEOUT_MS,
    );
    // A server is never told to work longer than somebody waits for it.
    this.#deadlineMs = Math.max(1, Math.min(asked, scope.remainingMs?.() ?? asked));
  }

  async run(message: unknown): Promise<GrpcAnswer> {
    const { guard } = this.#parts.connecting;
    const path = `/${this.#service}/${this.#method}`;
    const key =
      this.#options.idempotencyKey ?? idempotencyKeyOf(this.#scope.executionId, this.#step);
    const metadata = checkMetadata({
      ...this.#connection?.headers,
      "idempotency-key": key,
      ...(this.#scope.traceparent === undefined ? {} : { traceparent: this.#scope.traceparent }),
      ...this.#options.metadata,
    });
    const end = new CallEnd(this.#scope.signal);
    end.within(this.#deadlineMs, new CallTimeUp());
    const once = (number: number) =>
      makeProtocolCall({
        guard,
        scope: this.#scope,
        connection: this.#connection,
        protocol: "grpc",
        target: this.#target,
        method: "POST",
        path,
        step: this.#step,
        number,
        idempotencyKey: key,
        isFault: isGrpcFault,
        run: (tally) => this.#call(path, metadata, message, tally, end),
      });
    try {
      return await renewOnce(this.#token, once, isUnauthenticated);
    } finally {
      end.stop();
    }
  }

  async #call(
    path: string,
    metadata: Record<string, string>,
    message: unknown,
    tally: Tally,
    end: CallEnd,
  ): Promise<GrpcAnswer> {
    const what = `grpc ${this.#target.url.host}${path}`;
    let repeatable = this.#options.idempotent ?? false;
    let asked = false;
    try {
      const transport = await this.#transport(tally, end);
      const known = await this.#knownService(transport, metadata, end);
      const method = methodOf(known.service, this.#method);
      repeatable ||= isHarmless(method);
      const input = messageOf(method, message, known);
      const body = toBinary(method.input, input);
      if (body.length > (this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES)) {
        throw new GrpcMessageError("the message is larger than one may be");
      }
      tally.bytesSent = body.length;
      const headers = await this.#authorized(path, metadata, body, end);
      asked = true;
      return await this.#exchange(transport, method, input, headers, known, tally, end);
    } catch (error) {
      const { reason } = end;
      if (reason instanceof CallTimeUp) {
        throw timeoutError(what, reason, Math.round(this.#deadlineMs), !asked || repeatable);
      }
      end.throwIfOver();
      const failure = grpcError(what, error, !asked || repeatable, this.#deadlineMs);
      if ("status" in failure && typeof failure.status === "number") tally.status = failure.status;
      throw failure;
    }
  }

  async #transport(tally: Tally, end: CallEnd): Promise<Transport> {
    const { connecting, sessions } = this.#parts;
    const { origin } = this.#target.url;
    const connection = this.#connection;
    // A client certificate and authorities belong to one connection, so its sessions are its own.
    const key = connection === null ? origin : `${connection.id} ${connection.revision} ${origin}`;
    const opening = sessions.session(key, `${origin}/`, () =>
      dial(connecting, {
        target: this.#target,
        connection,
        alpn: ["h2"],
        tally,
        // Others may wait for the same session: it does not end with this call.
        signal: AbortSignal.timeout(connecting.connectTimeoutMs * 2),
      }),
    );
    return (await end.race(opening)).transport;
  }

  #knownService(
    transport: Transport,
    metadata: Record<string, string>,
    end: CallEnd,
  ): Promise<KnownService> {
    const { schemas } = this.#parts;
    const id =
      this.#connection === null ? "" : `${this.#connection.id}@${this.#connection.revision} `;
    return schemas.find(
      this.#options.schema ?? { from: "reflection" },
      id + this.#target.url.origin,
      this.#service,
      async () => {
        const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        const headers = await this.#authorized(path, metadata, new Uint8Array(), end);
        return reflectService(this.#service, {
          transport,
          headers,
          timeoutMs: this.#deadlineMs,
          signal: end.signal,
        });
      },
    );
  }

  async #authorized(
    path: string,
    metadata: Record<string, string>,
    body: Uint8Array,
    end: CallEnd,
  ): Promise<Readonly<Record<string, string>>> {
    if (this.#connection === null) return metadata;
    const request = { method: "POST", path, headers: metadata, body };
    const { stale } = this.#token;
    const authorized = await authorize(request, this.#connection, this.#scope, end.signal, {
      stale,
    });
    this.#token.used = authorized.accessToken;
    if (authorized.credentialQuery.size > 0) {
      throw new OutboundRefusedError("gRPC has no query: put the API key into a header");
    }
    return authorized.request.headers;
  }

  async #exchange(
    transport: Transport,
    method: DescMethod,
    input: Message,
    headers: Readonly<Record<string, string>>,
    { registry }: KnownService,
    tally: Tally,
    end: CallEnd,
  ): Promise<GrpcAnswer> {
    const start = performance.now();
    const cap = Math.min(this.#options.maxMessages ?? DEFAULT_MESSAGES, MAX_MESSAGES);
    const maxBytes = Math.min(
      this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      MAX_MESSAGE_BYTES,
    );
    const messages: JsonValue[] = [];
    const take = (message: Message) => {
      tally.firstByteMs ??= performance.now() - start;
      const bytes = toBinary(method.output, message).length;
      tally.bytesReceived += bytes;
      messages.push(toJson(method.output, message, { registry, alwaysEmitImplicit: true }));
      return bytes <= maxBytes;
    };
    const tooLarge = () => {
      throw new GrpcMessageError(`an answer is larger than ${maxBytes} bytes`);
    };
    const answered = (
      endedBy: GrpcAnswer["endedBy"],
      header: Headers,
      trailer: Headers | null,
    ): GrpcAnswer => {
      tally.status = 0;
      return {
        messages,
        streaming: method.methodKind === "server_streaming",
        endedBy,
        headers: plainMetadata(header),
        trailers: trailer === null ? {} : plainMetadata(trailer),
        durationMs: Math.round(performance.now() - start),
      };
    };

    if (method.methodKind === "unary") {
      const answer = await transport.unary(
        method as DescMethodUnary,
        end.signal,
        this.#deadlineMs,
        headers,
        input,
      );
      if (!take(answer.message)) tooLarge();
      return answered("status", answer.header, answer.trailer);
    }
    if (method.methodKind !== "server_streaming") throw new Error("only unary and server streams");
    async function* one() {
      yield input;
    }
    // Ends the stream when enough was taken: a server that is not told goes on.
    const enough = new AbortController();
    const signal = AbortSignal.any([end.signal, enough.signal]);
    try {
      const answer = await transport.stream(
        method as DescMethodServerStreaming,
        signal,
        this.#deadlineMs,
        headers,
        one(),
      );
      for await (const message of answer.message) {
        if (messages.length === cap) return answered("cap", answer.header, null);
        if (!take(message)) tooLarge();
      }
      return answered("status", answer.header, answer.trailer);
    } finally {
      enough.abort();
    }
  }
}

/** @throws OutboundRefusedError where the connection has a target and the call too, or neither has */
function targetOf(connection: Connection | null, target: string | undefined): Target {
  if (connection !== null) {
    if (target !== undefined) {
      throw new OutboundRefusedError(`the connection ${connection.id} says where its calls go`);
    }
    return readProtocolTarget(connection.baseUrl, "grpc");
  }
  if (target === undefined)
    throw new OutboundRefusedError("a call without a connection needs a target");
  return readProtocolTarget(target, "grpc");
}

/** @throws GrpcMessageError with the field that does not fit */
function messageOf(method: DescMethod, message: unknown, { registry }: KnownService): Message {
  try {
    return fromJson(method.input, (message ?? {}) as JsonValue, { registry });
  } catch (error) {
    const why = error instanceof Error ? error.message : "unreadable";
    throw new GrpcMessageError(`the message does not fit ${method.input.typeName}: ${why}`);
  }
}

/** Whether the service says of the method that it does nothing twice. */
function isHarmless(method: DescMethod): boolean {
  const level = method.idempotency;
  return level === IdempotencyLevel.IDEMPOTENT || level === IdempotencyLevel.NO_SIDE_EFFECTS;
}
