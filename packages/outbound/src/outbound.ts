import { type AllowList } from "./allow-list.ts";
import { createConnectGuard } from "./connect-guard.ts";
import { createConnectionPool } from "./connection-pool.ts";
import { createSystemResolver } from "./dns-resolver.ts";
import { type GrpcClient } from "./grpc/grpc-client.ts";
import { type GrpcDoor } from "./grpc/grpc-door.ts";
import { type HttpClient } from "./http-client.ts";
import { type CallScope } from "./scope.ts";
import { createHttpClient } from "./http.ts";
import { type SmtpClient } from "./smtp/smtp-client.ts";
import { type WebSocketClient } from "./websocket/websocket-client.ts";
import { openSocket } from "./open-socket.ts";
import { type Resolver } from "./ports.ts";
import { createRoutes } from "./route.ts";

/** The one door to the outside of a process. */
export interface Outbound {
  /** An HTTP client for one attempt of one execution: to plain addresses, or through the connection named. */
  http(scope: CallScope, connectionId?: string): HttpClient;
  /** As `http`, for WebSocket. Its code is loaded by the first that needs it. */
  websocket(scope: CallScope, connectionId?: string): WebSocketClient;
  /** As `http`, for gRPC. Its code is loaded by the first that needs it. */
  grpc(scope: CallScope, connectionId?: string): GrpcClient;
  /** Sends mail through the connection named. Its code is loaded by the first that needs it. */
  smtp(scope: CallScope, connectionId: string): SmtpClient;
  /** Closes every connection at once, those of calls under way too. */
  close(): Promise<void>;
}

export interface OutboundOptions {
  /** Targets that are allowed though their address is not public. */
  readonly allow: AllowList;
  /** Default: the system's resolver. */
  readonly resolver?: Resolver;
  /** Time for a name to be resolved, in milliseconds. Default 5000. */
  readonly dnsTimeoutMs?: number;
  /** Time for TCP and TLS together, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Certificate authorities in PEM that replace Node's for every call. Certificates are always checked. */
  readonly certificateAuthorities?: readonly string[];
}

/**
 * Opens the door. Proxies from the environment (`HTTPS_PROXY` …) are not used: behind one, nobody here
 * could judge the address that is called.
 */
export function createOutbound(options: OutboundOptions): Outbound {
  const pool = createConnectionPool();
  const guard = createConnectGuard({
    rules: options.allow.engines,
    resolver: options.resolver ?? createSystemResolver(),
    dnsTimeoutMs: options.dnsTimeoutMs ?? 5000,
  });
  const connecting = {
    guard,
    pool,
    open: openSocket,
    routeOf: createRoutes(),
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    certificateAuthorities: options.certificateAuthorities,
  };
  let grpc: Promise<GrpcDoor> | null = null;
  return {
    http: (scope, connectionId) => createHttpClient(connecting, scope, connectionId),
    websocket: (scope, connectionId) => {
      let client: Promise<WebSocketClient> | null = null;
      const load = async () => {
        const { createWebSocketClient } = await import("./websocket/websocket.ts");
        return createWebSocketClient(connecting, scope, connectionId);
      };
      return {
        async exchange(url, options) {
          client ??= load();
          return (await client).exchange(url, options);
        },
      };
    },
    grpc: (scope, connectionId) => {
      let client: Promise<GrpcClient> | null = null;
      const load = async () => {
        grpc ??= import("./grpc/grpc-door.ts").then(({ openGrpcDoor }) => openGrpcDoor(connecting));
        return (await grpc).client(scope, connectionId);
      };
      return {
        async call(method, message, options) {
          client ??= load();
          return (await client).call(method, message, options);
        },
      };
    },
    smtp: (scope, connectionId) => {
      let client: Promise<SmtpClient> | null = null;
      const load = async () => {
        const { createSmtpClient } = await import("./smtp/smtp.ts");
        return createSmtpClient(connecting, scope, connectionId);
      };
      return {
        async send(mail, options) {
          client ??= load();
          return (await client).send(mail, options);
        },
        async verify(options) {
          client ??= load();
          return (await client).verify(options);
        },
      };
    },
    async close() {
      pool.close();
      (await grpc)?.close();
    },
  };
}
