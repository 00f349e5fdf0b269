import { createRoutes } from "./route.ts";
import { type Socket } from "node:net";

import { afterAll, beforeAll, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { createConnectGuard } from "./connect-guard.ts";
import { createConnectionPool } from "./connection-pool.ts";
import { createHttpClient } from "./http.ts";
import { openSocket } from "./open-socket.ts";
import { startHttp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestScope } from "./test-support/test-scope.ts";

let server: LoopbackServer;
let requests = 0;
beforeAll(async () => {
  server = await startHttp((_request, response) => {
    requests++;
    response.end("ok");
  });
});
afterAll(() => server.close());

it("replaces a kept connection that broke a moment ago, also for a POST", async () => {
  const sockets: Socket[] = [];
  const pool = createConnectionPool();
  const http = createHttpClient(
    {
      guard: createConnectGuard({
        rules: parseAllowList(server.host).engines,
        resolver: { resolve: async () => [] },
        dnsTimeoutMs: 5000,
      }),
      pool,
      routeOf: createRoutes(),
      connectTimeoutMs: 5000,
      open: async (options) => {
        const socket = await openSocket(options);
        sockets.push(socket);
        return socket;
      },
    },
    createTestScope(),
  );
  for (const method of ["GET", "POST"]) {
    await http.request(server.origin);
    // Nobody has heard of it yet when the next call takes this connection.
    sockets.at(-1)?.destroy();
    expect((await http.request(server.origin, { method })).text()).toBe("ok");
  }
  expect(requests).toBe(4);
  expect(sockets).toHaveLength(3);
  pool.close();
});

it("judges the target of every call, also where a kept connection serves it", async () => {
  const guard = createConnectGuard({
    rules: parseAllowList(server.host).engines,
    resolver: { resolve: async () => [] },
    dnsTimeoutMs: 5000,
  });
  const checked: string[] = [];
  const connected: string[] = [];
  const pool = createConnectionPool();
  const http = createHttpClient(
    {
      guard: {
        check(target) {
          checked.push(target.url.pathname);
          guard.check(target);
        },
        addressesFor: guard.addressesFor,
      },
      pool,
      routeOf: createRoutes(),
      connectTimeoutMs: 5000,
      open: (options) => {
        connected.push(options.target.url.pathname);
        return openSocket(options);
      },
    },
    createTestScope(),
  );
  for (const path of ["/a", "/b"]) await http.request(server.origin + path);
  expect(checked).toEqual(["/a", "/b"]);
  expect(connected).toEqual(["/a"]);
  pool.close();
});
