import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Server as NetServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import type { ApiEnv } from "./api-env.ts";
import { problemBody, Refusal } from "./problem.ts";

export interface ServeOptions {
  app: Pick<Hono<ApiEnv>, "fetch">;
  port: number;
  host: string;
  /** Hears errors that no answer could be made of. */
  onError(error: unknown): void;
  timeouts?: HttpTimeouts;
}

/** How long a request may take to arrive, ms; looked at every `checkMs`. */
export interface HttpTimeouts {
  headersMs: number;
  wholeMs: number;
  checkMs: number;
}

export interface HttpServer {
  readonly port: number;
  /**
   * Ends it without losing an answer: goes on for a moment, so that who balances load sees that it is not ready; then
   * listens no more, and each answer is its connection's last, so that callers learn to go elsewhere; then waits for
   * what is under way.
   * @param ms how long that may take; what is left then is cut
   */
  drain(ms: number): Promise<void>;
}

/** Bytes of all headers, and of the request line. */
const maxHeaderSize = 16 * 1024;
const maxConnections = 10_000;
/** Longer than load balancers keep a connection, so that they close it and not we under their next request. */
const keepAliveTimeoutMs = 65_000;
const lingerMs = 1_000;
// With the time between two looks a request is cut within 15 s.
const usualTimeouts: HttpTimeouts = { headersMs: 10_000, wholeMs: 14_000, checkMs: 1_000 };

/** Opens the port. What cannot become a request is answered with a problem, or cut. */
export async function serve({
  app,
  port,
  host,
  onError,
  timeouts = usualTimeouts,
}: ServeOptions): Promise<HttpServer> {
  const listener = getRequestListener(app.fetch, {
    // An unparsable Host or target: no request exists yet that a handler could answer.
    errorHandler: (error) => {
      if (!(error instanceof Error && error.name === "RequestError")) onError(error);
      return problemResponse();
    },
  });
  const server = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.wholeMs,
      connectionsCheckingInterval: timeouts.checkMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      maxHeaderSize,
      insecureHTTPParser: false,
      // Node's own refusal has no body; a missing Host is refused by the listener's error handler.
      requireHostHeader: false,
      noDelay: true,
    },
    (request, response) => {
      if (!server.listening) response.shouldKeepAlive = false;
      if (namesTwoHosts(request) || !speaksHttp1(request)) refuse(response);
      else listener(request, response).catch(onError);
    },
  );
  server.maxConnections = maxConnections;
  server.on("clientError", (error: ParserError, socket: Socket) => answerRaw(error, socket));
  // Nobody tunnels through here; Node would close without a word.
  server.on("connect", (_request, socket: Socket) => {
    // Node has let go of it, and an error that nobody hears would end the process.
    socket.on("error", () => socket.destroy());
    answerRaw(new Error("CONNECT"), socket);
  });
  // An expectation that is not 100-continue; Node would answer without a body.
  server.on("checkExpectation", (_request, response) => refuse(response));
  server.listen(port, host);
  await once(server, "listening");
  server.on("error", onError);
  return {
    port: (server.address() as AddressInfo).port,
    drain: (ms) => drain(server, ms),
  };
}

/** The problem of a request that never reaches the app, with all that the app would have put on it. */
function malformed(): { body: string; headers: Record<string, string | number> } {
  const requestId = randomUUID();
  const body = problemBody(
    new Refusal("malformed_request", "The request is not valid HTTP, too slow, or too large"),
    requestId,
  );
  const headers = {
    "Content-Type": "application/problem+json",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Request-Id": requestId,
    Connection: "close",
  };
  return { body, headers };
}

function problemResponse(): Response {
  const { body, headers } = malformed();
  return new Response(body, {
    status: 400,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
  });
}

function refuse(response: ServerResponse): void {
  const { body, headers } = malformed();
  response.writeHead(400, headers).end(body);
}

/** Whether there is more than one Host (RFC 9112, 3.2). Node keeps the first one and says nothing of the others. */
function namesTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  return hosts > 1;
}

/** Whether the version is one that we speak (RFC 9112, 2.3). The parser takes 0.9 and 2.0 in this form as well. */
function speaksHttp1({ httpVersion }: IncomingMessage): boolean {
  return httpVersion === "1.1" || httpVersion === "1.0";
}

/** What the parser refuses, with the bytes that it stumbled over. */
type ParserError = Error & { code?: string; rawPacket?: Buffer };

/** Answers what the parser refused: bad framing, headers too large, a request that took too long. */
function answerRaw(error: ParserError, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { body, headers } = malformed();
  const head = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  // The answer to a HEAD ends behind its headers, also where the request could not be read.
  const toHead = error.rawPacket?.subarray(0, 5).toString("latin1") === "HEAD ";
  const text = `HTTP/1.1 400 Bad Request\r\n${head}\r\n${toHead ? "" : body}`;
  socket.end(text, () => socket.destroy());
}

/** Turns of the event loop without anything new that make a quiet moment, and how long one is waited for. */
const quietTurns = 3;
const quietWithinTurns = 1_000;

/**
 * Resolves when nothing is at the door that we have not seen. The kernel opens connections and takes in requests before
 * we do, and resets them where listening ends, or the connection, before we have seen them.
 */
async function quietMoment(server: Server, sign: "connection" | "request"): Promise<void> {
  let came = false;
  const note = (): void => {
    came = true;
  };
  server.on(sign, note);
  for (let quiet = 0, turns = 0; quiet < quietTurns && turns < quietWithinTurns; turns++) {
    came = false;
    // Right behind the phase of the loop that takes in both.
    await nextTurn();
    quiet = came ? 0 : quiet + 1;
  }
  server.off(sign, note);
}

async function drain(server: Server, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  await sleep(Math.min(lingerMs, ms / 3));
  const closed = once(server, "close");
  await quietMoment(server, "connection");
  // HTTP's own close() would cut the kept connections at once, also where a request is on its way.
  NetServer.prototype.close.call(server);
  await Promise.race([closed, sleep(Math.min(lingerMs, ms / 3), undefined, { ref: false })]);
  await quietMoment(server, "request");
  // Whoever has said nothing since holds a connection, and no answer is owed on it.
  server.closeIdleConnections();
  const patience = new AbortController();
  const tooLong = sleep(Math.max(0, deadline - performance.now()), "late", {
    signal: patience.signal,
    ref: false,
  }).catch(() => "closed");
  if ((await Promise.race([closed, tooLong])) === "late") server.closeAllConnections();
  patience.abort();
  await closed;
}
