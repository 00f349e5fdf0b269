import { type Clients } from "@tl-engine/engine-kit";

/** What a connection was answered, whatever it is. */
export interface Answered {
  readonly status: number;
  readonly duration_ms: number;
}

const timeout = "15s";
const step = "test";

/** The standard health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), as far as it is asked. */
const health = `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }`;

/** One call of HTTP, without following a redirect. */
export async function tryHttp(
  { http }: Pick<Clients, "http">,
  connection: string,
  method: string,
  path: string,
): Promise<Answered> {
  const options = { method, redirect: "none", acceptStatus: "any", timeout, step } as const;
  const answer = await http(connection).request(path, options);
  return { status: answer.status, duration_ms: answer.durationMs };
}

/** Asks for the server's health; one that does not tell it has answered too. */
export async function tryGrpc(
  { grpc }: Pick<Clients, "grpc">,
  connection: string,
): Promise<Answered> {
  const start = performance.now();
  const schema = { from: "proto", files: { "health.proto": health } } as const;
  return statusOf(start, async () => {
    await grpc(connection).call("grpc.health.v1.Health/Check", {}, { schema, timeout, step });
    return 0;
  });
}

/** The handshake, and a close once nothing comes for a moment. */
export async function tryWebSocket(
  { websocket }: Pick<Clients, "websocket">,
  connection: string,
  path: string,
): Promise<Answered> {
  const start = performance.now();
  return statusOf(start, async () => {
    await websocket(connection).exchange(path, { count: 1, idle: "100ms", timeout, step });
    return 101;
  });
}

/** Greets the server and signs in; no mail is sent. */
export async function trySmtp(
  { smtp }: Pick<Clients, "smtp">,
  connection: string,
): Promise<Answered> {
  const start = performance.now();
  return statusOf(start, async () => (await smtp(connection).verify({ timeout, step })).status);
}

/** An error that carries the other side's status is an answer. */
async function statusOf(start: number, call: () => Promise<number>): Promise<Answered> {
  let status: number;
  try {
    status = await call();
  } catch (error) {
    if (!(error instanceof Error) || !("status" in error) || typeof error.status !== "number") {
      throw error;
    }
    status = error.status;
  }
  return { status, duration_ms: Math.round(performance.now() - start) };
}
