import { status, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { createServer } from "node:http";

import { afterEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";

import { parseAllowList } from "../allow-list.ts";
import { createOutbound, type Outbound } from "../outbound.ts";
import { type Connection, type ConnectionAuth, type Protocol } from "../ports.ts";
import { startGrpc } from "../test-support/grpc-server.ts";
import { startHttp, startServer } from "../test-support/loopback-server.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTestScope, type TestScope } from "../test-support/test-scope.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A client of the protocol and a server that takes the tokens that `takes` says, and puts down all it is shown. */
type Serve = (takes: (authorization: string | undefined) => boolean) => Promise<{
  baseUrl: string;
  host: string;
  call(door: Outbound, scope: TestScope): Promise<unknown>;
}>;

const serveHttp: Serve = async (takes) => {
  const server = await startHttp((request, response) => {
    response.statusCode = takes(request.headers.authorization) ? 200 : 401;
    response.end();
  });
  closing.push(() => server.close());
  return {
    baseUrl: server.origin,
    host: server.host,
    call: (door, scope) => door.http(scope, "crm").request("/", { method: "POST", body: "once" }),
  };
};

const serveWebSocket: Serve = async (takes) => {
  const http = createServer();
  const sockets = new WebSocketServer({
    server: http,
    verifyClient: ({ req }, answer) => answer(takes(req.headers.authorization), 401),
  });
  sockets.on("connection", (socket) => socket.send("hello"));
  const server = await startServer(http);
  closing.push(() => server.close());
  return {
    baseUrl: `ws://${server.host}`,
    host: server.host,
    call: async (door, scope) => door.websocket(scope, "crm").exchange("/", { count: 1 }),
  };
};

const serveGrpc: Serve = async (takes) => {
  const server = await startGrpc({
    GetItem: (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
      const [shown] = call.metadata.get("authorization");
      if (takes(String(shown))) answer(null, {});
      else answer({ code: status.UNAUTHENTICATED });
    },
  });
  closing.push(() => server.close());
  return {
    baseUrl: `grpc://${server.host}`,
    host: server.host,
    call: async (door, scope) => door.grpc(scope, "crm").call("shop.v1.Inventory/GetItem", {}),
  };
};

const oauth: ConnectionAuth = {
  type: "oauth2_client_credentials",
  tokenUrl: "https://login.test/token",
  clientId: "c",
  clientAuth: "basic",
  clientSecret: "s",
  privateKey: null,
  keyId: null,
  algorithm: null,
  scope: null,
  audience: null,
};

async function calling(serve: Serve, kind: Protocol, good: string, auth: ConnectionAuth = oauth) {
  const shown: (string | undefined)[] = [];
  const asked: (string | null)[] = [];
  const { baseUrl, host, call } = await serve((authorization) => {
    shown.push(authorization);
    return authorization === `Bearer ${good}`;
  });
  const connection: Connection = testConnection({ kind, baseUrl, auth });
  const scope = createTestScope({
    connections: { connection: async () => connection },
    tokens: {
      async token(_connection, stale) {
        asked.push(stale);
        return stale === null ? "old" : "new";
      },
    },
  });
  const door = createOutbound({ allow: parseAllowList(host) });
  closing.push(() => door.close());
  return { shown, asked, scope, call: () => call(door, scope) };
}

describe.each<[Protocol, Serve, number]>([
  ["http", serveHttp, 401],
  ["websocket", serveWebSocket, 401],
  ["grpc", serveGrpc, status.UNAUTHENTICATED],
])("an access token that is refused over %s", (kind, serve, refusal) => {
  it("is renewed once, and the call made once more, each a row of the log", async () => {
    const { call, shown, asked, scope } = await calling(serve, kind, "new");
    await call();
    expect(shown).toEqual(["Bearer old", "Bearer new"]);
    // For gRPC the server is asked for its services first.
    expect(asked.filter((stale) => stale !== null)).toEqual(["old"]);
    expect(scope.calls).toMatchObject([
      { try: 1, status: refusal },
      { try: 2, error_code: null },
    ]);
  });

  it("is an error where the new one is refused as well", async () => {
    const { call, shown } = await calling(serve, kind, "another");
    await expect(call()).rejects.toMatchObject({ code: "upstream_error", status: refusal });
    expect(shown).toEqual(["Bearer old", "Bearer new"]);
  });

  it("is no reason to call again where it was not fetched", async () => {
    const auth = { type: "bearer", token: "mine" } as const;
    const { call, shown } = await calling(serve, kind, "another", auth);
    await expect(call()).rejects.toMatchObject({ code: "upstream_error", status: refusal });
    expect(shown).toEqual(["Bearer mine"]);
  });
});
