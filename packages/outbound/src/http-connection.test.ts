import { type IncomingMessage, type ServerResponse } from "node:http";

import { afterEach, describe, expect, it } from "vitest";

import {
  ConnectionFailedError,
  OutboundRefusedError,
  ParkedError,
  TimeoutError,
  UpstreamError,
} from "./errors.ts";
import { type HttpRequestOptions } from "./http-client.ts";
import { type Admitted, type Connection } from "./ports.ts";
import { type CallScope } from "./scope.ts";
import { startHttp, startTcp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { reachConnection } from "./test-support/reach-connection.ts";
import { createTestAdmission } from "./test-support/test-admission.ts";
import { createTestScope } from "./test-support/test-scope.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function through(
  server: LoopbackServer,
  facts: Partial<Connection> = {},
  scope: Partial<CallScope> = {},
  options: Parameters<typeof reachConnection>[3] = {},
) {
  const reached = reachConnection(server, facts, scope, options);
  closing.push(
    () => reached.outbound.close(),
    () => server.close(),
  );
  return { server, ...reached };
}

async function answering(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  facts: Partial<Connection> = {},
  scope: Partial<CallScope> = {},
) {
  return through(await startHttp(listener), facts, scope);
}

/** Answers with what came in. */
async function mirror(facts: Partial<Connection> = {}) {
  return answering((request, response) => {
    request.resume();
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers }));
  }, facts);
}

describe("addresses", () => {
  it.each([
    ["users", "/v2/users"],
    ["/users", "/v2/users"],
    ["/users/7?x=1&y=a%2Fb#frag", "/v2/users/7?x=1&y=a%2Fb"],
    ["", "/v2"],
    ["/", "/v2/"],
    ["?q=1", "/v2?q=1"],
    ["a/../b", "/v2/b"],
    ["./a/./b", "/v2/a/b"],
    ["/a%2Fb/ü", "/v2/a%2Fb/%C3%BC"],
    ["/v2/users", "/v2/v2/users"],
    ["/a:b", "/v2/a:b"],
    ["/a;v=1", "/v2/a;v=1"],
    ["/.well-known/x", "/v2/.well-known/x"],
    ["/a..b/...", "/v2/a..b/..."],
  ])("%j is %s", async (url, expected) => {
    const { client } = await mirror();
    expect((await client.request(url)).json()).toMatchObject({ url: expected });
  });

  it("that are absolute may be below the base URL", async () => {
    const { client, server } = await mirror();
    for (const url of [
      `${server.origin}/v2/users`,
      `${server.origin}/v2`,
      `//${server.host}/v2/x`,
    ]) {
      await expect(client.request(url)).resolves.toMatchObject({ status: 200 });
    }
  });

  it("join a base URL with and without a slash at its end, or without a path", async () => {
    const server = await startHttp((request, response) => response.end(request.url));
    const { again } = await through(server);
    const ask = async (baseUrl: string, url: string) =>
      (await again({ baseUrl }).request(url)).text();
    expect(await ask(`${server.origin}/v2/`, "x")).toBe("/v2/x");
    expect(await ask(server.origin, "x")).toBe("/x");
    expect(await ask(server.origin, "")).toBe("/");
    expect(await ask(server.origin, "?a")).toBe("/?a");
  });

  it.each([
    "..",
    "../",
    "../v3/x",
    "/../v20",
    "../v22/x",
    "a/../../x",
    "%2e%2e/x",
    "/.%2E/x",
    "..\\x",
    "a/..%2fb",
    "..%2f..%2fx",
    "/a/%252e%252e/b",
    "/a/%2e%2e%2fb",
    "/a/..%5cb",
    "/a/..;/b",
    "/a/..;x=1/b",
    "/a/%2e%2e;%2fb",
    "/a/.;/b",
    `/a/%${"25".repeat(9)}2e/b`,
    "http://ORIGIN/v3/x",
    "http://ORIGIN/",
    "http://ORIGIN/v22",
    "http://ORIGIN/v2/../x",
    "https://ORIGIN/v2/x",
    "http://user:pw@ORIGIN/v2/x",
    "//example.com/v2/x",
    "\\\\example.com/v2/x",
    "/\\example.com/v2/x",
    "http://example.com/v2/x",
    "http:example.com/v2/x",
    "users:search",
    "file:///etc/passwd",
    "javascript:1",
    "/x\r\ny",
    "/x\0",
  ])("%j is refused before anything is sent", async (url) => {
    const { client, server, admission, scope } = await mirror();
    const called = client.request(url.replace("ORIGIN", server.host));
    await expect(called).rejects.toThrow(OutboundRefusedError);
    expect(server.connections()).toBe(0);
    expect(admission.entered()).toBe(0);
    expect(scope.calls).toMatchObject([{ connection: "crm", error_code: "outbound_refused" }]);
  });
});

describe("what a connection allows", () => {
  it.each([
    ["/users", true],
    ["/users/", false],
    ["/users/7", true],
    ["/users/%37", true],
    ["/users/7/keys", false],
    ["/users//keys", false],
    ["/users/7%2Fkeys", false],
    ["/users/7%252Fkeys", false],
    ["/users/", false],
    ["/users/7?a=/b/c", true],
    ["/users/7;x/keys", false],
    ["/files", true],
    ["/files/a/b/c.txt", true],
    ["/filesystem", false],
    ["/reports/2026-11.csv", true],
    ["/reports/2026-11.pdf", false],
    ["/Users", false],
    ["/r%C3%BCck/1", true],
    ["/rück/1", true],
    ["/", false],
    ["", false],
  ])("the path %s: %s", async (path, allowed) => {
    const paths = ["/users", "/users/*", "/files/**", "/reports/*.csv", "/rück/*"];
    const { client, server } = await mirror({ paths });
    const called = client.request(path);
    if (allowed) await expect(called).resolves.toMatchObject({ status: 200 });
    else await expect(called).rejects.toThrow(OutboundRefusedError);
    expect(server.connections()).toBe(allowed ? 1 : 0);
  });

  it("no path at all where the list is empty", async () => {
    const { client } = await mirror({ paths: [] });
    await expect(client.request("/x")).rejects.toThrow(/does not allow the path \/v2\/x$/);
  });

  it("the same paths after a redirect on its own origin, and methods as they were asked for", async () => {
    const asked: string[] = [];
    const facts = { paths: ["/go/**", "/open"], methods: ["POST"] };
    const { client, admission } = await answering((request, response) => {
      request.resume();
      asked.push(`${request.method} ${request.url}`);
      const to = /^\/v2\/go(\/.*)$/.exec(request.url ?? "")?.[1];
      if (to) response.writeHead(303, { location: to }).end();
      else response.end();
    }, facts);
    const post = { method: "POST" };
    await expect(client.request("/go/v2/open", post)).resolves.toMatchObject({ status: 200 });
    for (const hidden of ["/v2/closed", "/elsewhere", "/v2/open%2f..%2fclosed"]) {
      await expect(client.request(`/go${hidden}`, post)).rejects.toThrow(OutboundRefusedError);
    }
    expect(asked).toHaveLength(4 + 1 - 1);
    expect(admission.left).toEqual(["success", "success", "success"]);
    await expect(client.request("/open")).rejects.toThrow(/does not allow the method GET$/);
  });
});

describe("what is sent", () => {
  it("has the connection's headers, whatever the engine says", async () => {
    const headers = { "x-tenant": "ours", "user-agent": "crm-client" };
    const { client } = await mirror({ headers });
    const answer = await client.request("/x", {
      method: "POST",
      headers: { "X-Tenant": "theirs", "x-other": "1" },
    });
    expect(answer.json()).toMatchObject({
      headers: { "x-tenant": "ours", "user-agent": "crm-client", "x-other": "1" },
    });
  });

  it("has its credentials, which the engine cannot set and no answer's address shows", async () => {
    const auth = { type: "api_key", in: "query", name: "key", value: "s3cret" } as const;
    const { client, scope } = await mirror({ auth });
    const answer = await client.request("/x?a=1");
    expect(answer.json()).toMatchObject({ url: "/v2/x?a=1&key=s3cret" });
    expect(answer.url).not.toContain("s3cret");
    await expect(client.request("/x?key=mine")).rejects.toThrow(/set by the connection crm/);
    expect(JSON.stringify(scope.calls)).not.toContain("s3cret");
  });
});

describe("the connection", () => {
  it("is looked up for each request, so that one client hears of a change", async () => {
    const server = await startHttp((request, response) => {
      response.end(JSON.stringify({ auth: request.headers.authorization }));
    });
    const facts: { -readonly [K in keyof Connection]?: Connection[K] } = {};
    const { client, lookups, outbound } = reachConnection(server, facts);
    closing.push(
      () => outbound.close(),
      () => server.close(),
    );
    expect(lookups()).toBe(0);
    for (const token of ["one", "two"]) {
      facts.auth = { type: "bearer", token };
      facts.revision = token.length;
      expect((await client.request("/a")).json()).toEqual({ auth: `Bearer ${token}` });
    }
    expect(lookups()).toBe(2);
  });

  it("that is not there is refused, with a row", async () => {
    const { outbound, scope, lookups } = await mirror();
    const client = outbound.http(scope, "erp");
    await expect(client.request("/x", { method: "post" })).rejects.toThrow("no connection erp");
    await expect(client.request("/x")).rejects.toThrow(OutboundRefusedError);
    expect(lookups()).toBe(2);
    expect(scope.calls).toMatchObject([
      { connection: "erp", method: "POST", host: "", error_code: "outbound_refused" },
      { connection: "erp" },
    ]);
  });

  it("that is not said in time is a timeout, and an abort ends the wait for it", async () => {
    const never = { connection: () => new Promise<never>(() => {}) };
    const { outbound } = await mirror();
    const client = outbound.http(createTestScope({ connections: never }), "crm");
    await expect(client.request("/x", { timeout: 20 })).rejects.toThrow(TimeoutError);
    const controller = new AbortController();
    const scope = createTestScope({ connections: never, signal: controller.signal });
    const called = outbound.http(scope, "crm").request("/x");
    controller.abort(new Error("canceled"));
    await expect(called).rejects.toThrow("canceled");
  });

  it("is named in each row, with the state of its circuit", async () => {
    const admission = createTestAdmission("half_open");
    const server = await startHttp((_request, response) => response.end());
    const { client, scope } = await through(server, {}, { admission });
    await client.request("/x");
    expect(scope.calls).toMatchObject([
      { connection: "crm", path: "/v2/x", breaker_state: "half_open", status: 200, try: 1 },
    ]);
  });
});

describe("sockets", () => {
  it("are kept for the next call through the same connection, and for nobody else", async () => {
    const { again, client, server, outbound } = await mirror();
    await client.request("/x");
    await again().request("/x");
    expect(server.connections()).toBe(1);
    await outbound.http(createTestScope()).request(`${server.origin}/x`);
    expect(server.connections()).toBe(2);
    await again({ id: "erp" }).request("/x");
    expect(server.connections()).toBe(3);
  });

  it("of an older revision are closed once a newer one is called", async () => {
    const held = Promise.withResolvers<ServerResponse>();
    const { again, client, server, outbound } = await answering((request, response) => {
      if (request.url === "/v2/hold") held.resolve(response);
      else response.end();
    });
    await Promise.all([client.request("/x"), client.request("/x")]);
    await outbound.http(createTestScope()).request(`${server.origin}/x`);
    const holding = client.request("/hold");
    const holder = await held.promise;
    expect(server.open()).toBe(3);
    await again({ revision: 2 }).request("/x");
    // The plain one, the new one, and the one whose call is under way; that one goes when it ends.
    const closed = server.closedDownTo(3);
    await closed;
    holder.end();
    await holding;
    await server.closedDownTo(2);
    expect(server.connections()).toBe(4);
  });
});

describe("the connection's circuit hears", () => {
  type Case = [
    name: string,
    outcome: string,
    listener: (request: IncomingMessage, response: ServerResponse) => void,
    options?: HttpRequestOptions & Partial<Connection["timeouts"]>,
  ];
  const status = (code: number) => (_request: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(code).end();
  const cases: Case[] = [
    ["success of a 200", "success", status(200)],
    ["success of a 404: the other side works", "success", status(404)],
    ["success of a 429", "success", status(429)],
    ["failure of a 500", "failure", status(500)],
    ["failure of a 503 that the engine accepts", "failure", status(503), { acceptStatus: "any" }],
    ["failure of a reset", "failure", (request) => request.socket.resetAndDestroy()],
    ["failure of no HTTP", "failure", (request) => request.socket.end("SSH-2.0\r\n\r\n")],
    [
      "failure of a body that breaks off",
      "failure",
      (request) => request.socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
    ],
    [
      "success of a body that is too large",
      "success",
      (_request, response) => response.end("0123456789"),
      { maxResponseBytes: 5 },
    ],
    [
      "success of broken gzip",
      "success",
      (_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"),
    ],
    ["failure of a first byte that does not come", "failure", () => {}, { firstByteMs: 50 }],
    [
      "failure of an answer that does not end",
      "failure",
      (_request, response) => void response.write("x"),
      { totalMs: 100 },
    ],
    ["nothing of the engine's own short time", "ignored", () => {}, { timeout: 20 }],
    [
      "success of a redirect that is refused",
      "success",
      (_request, response) => response.writeHead(302, { location: "file:///x" }).end(),
    ],
    [
      "success of a redirect to somewhere that is down",
      "success",
      (_request, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    [
      "success of redirects without end",
      "success",
      (_request, response) => response.writeHead(302, { location: "/v2/x" }).end(),
    ],
    [
      "nothing of an engine's mistake in judging",
      "ignored",
      status(200),
      {
        acceptStatus: () => {
          throw new Error("mistake");
        },
      },
    ],
  ];
  it.each(cases)("%s", async (_name, outcome, listener, options = {}) => {
    const server = await startHttp(listener);
    const { firstByteMs = 10_000, totalMs = 10_000 } = options;
    const timeouts = { connectMs: 5000, firstByteMs, totalMs };
    const allow = { alsoAllow: "127.0.0.1:1" };
    const { client, admission } = await through(server, { timeouts }, {}, allow);
    await client.request("/x", options).catch(() => {});
    expect(admission.left).toEqual([outcome]);
    expect(admission.inside()).toBe(0);
  });

  it("failure of no connection", async () => {
    const server = await startHttp(() => {});
    const { client, admission } = await through(server);
    await server.close();
    closing.pop();
    await expect(client.request("/x")).rejects.toThrow(ConnectionFailedError);
    expect(admission.left).toEqual(["failure"]);
  });

  it("nothing of an abort, nor of what is refused here", async () => {
    const arrived = Promise.withResolvers<void>();
    const controller = new AbortController();
    const server = await startHttp(() => arrived.resolve());
    const { client, admission, again } = await through(server, {}, { signal: controller.signal });
    await expect(again({ baseUrl: "http://127.0.0.2:1" }).request("/x")).rejects.toThrow(
      OutboundRefusedError,
    );
    const called = client.request("/x");
    await arrived.promise;
    controller.abort(new Error("canceled"));
    await expect(called).rejects.toThrow("canceled");
    expect(admission.left).toEqual(["ignored", "ignored"]);
  });

  it("nothing of tokens that cannot be had", async () => {
    const failing = { token: () => Promise.reject(new UpstreamError("no", { retryable: true })) };
    const server = await startHttp((_request, response) => response.end());
    const auth = {
      type: "oauth2_client_credentials",
      tokenUrl: "https://id.test/token",
      clientId: "us",
      clientAuth: "basic",
      clientSecret: "s3cret",
      privateKey: null,
      keyId: null,
      algorithm: null,
      scope: null,
      audience: null,
    } as const;
    const { client, admission } = await through(server, { auth }, { tokens: failing });
    await expect(client.request("/x")).rejects.toThrow(UpstreamError);
    expect(admission.left).toEqual(["ignored"]);
    expect(server.connections()).toBe(0);
  });
});

describe("a circuit that is open", () => {
  it("lets nothing through, parks the execution, and is a row", async () => {
    const park = { reason: "circuit_open", delayMs: null, blockedBy: "connection:crm" } as const;
    const enter = () => {
      throw new ParkedError("the circuit of crm is open", park, "connection_failed");
    };
    const server = await startHttp(() => {});
    const retry = { maxRetries: 3, initialMs: 1, maxMs: 1, maxRetryAfterMs: 1000 };
    const { client, scope } = await through(server, { retry }, { admission: { enter } });
    await expect(client.request("/x")).rejects.toMatchObject({ park });
    expect(server.connections()).toBe(0);
    expect(scope.calls).toMatchObject([
      { breaker_state: "open", error_code: "connection_failed", status: null, bytes_sent: 0 },
    ]);
  });

  it("that answers late is told that nobody is there any more", async () => {
    const place = Promise.withResolvers<Admitted>();
    const left: string[] = [];
    const controller = new AbortController();
    const server = await startHttp(() => {});
    const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let asks = 0;
    const enter = () => {
      asked[asks++]?.resolve();
      return place.promise;
    };
    const scope = { admission: { enter }, signal: controller.signal };
    const { client } = await through(server, {}, scope);
    const timed = client.request("/x", { timeout: 20 });
    await expect(timed).rejects.toThrow(TimeoutError);
    const called = client.request("/x");
    await asked[1]?.promise;
    controller.abort(new Error("canceled"));
    await expect(called).rejects.toThrow("canceled");
    place.resolve({ breakerState: "closed", leave: (outcome) => left.push(outcome) });
    await place.promise;
    await Promise.resolve();
    expect(left).toEqual(["ignored", "ignored"]);
    expect(server.connections()).toBe(0);
  });
});

describe("times of a connection", () => {
  const within = (facts: Partial<Connection["timeouts"]>) => ({
    timeouts: { connectMs: 5000, firstByteMs: 5000, totalMs: 5000, ...facts },
  });

  it("bound the first byte", async () => {
    const { client } = await answering(
      (request) => {
        request.socket.write("HTTP/1.1 103 Early Hints\r\n\r\n");
      },
      within({ firstByteMs: 30 }),
    );
    await expect(client.request("/x")).rejects.toThrow(/no answer began within 30 ms/);
    await expect(client.request("/x")).rejects.toMatchObject({ code: "timeout", retryable: true });
    await expect(client.request("/x", { method: "POST" })).rejects.toMatchObject({
      retryable: false,
    });
  });

  it("bound the first byte alone: what comes later has the whole time", async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const { client } = await answering(
      (_request, response) => {
        response.write("x");
        arrived.resolve(response);
      },
      within({ firstByteMs: 200 }),
    );
    const called = client.request("/x");
    const response = await arrived.promise;
    await new Promise((resolve) => setTimeout(resolve, 300));
    response.end("y");
    await expect(called).resolves.toMatchObject({ status: 200 });
  });

  it("bound the whole", async () => {
    const { client, server } = await answering(
      (_request, response) => {
        response.write("x");
      },
      within({ totalMs: 40 }),
    );
    await expect(client.request("/x")).rejects.toThrow(/no whole answer within 40 ms/);
    await server.allClosed();
  });

  it("bound the making of a socket", async () => {
    const silent = await startTcp(() => {});
    const baseUrl = `https://${silent.host}`;
    const { client } = await through(silent, { baseUrl, ...within({ connectMs: 30 }) });
    await expect(client.request("/x")).rejects.toThrow(/no connection within 30 ms/);
  });

  it("and the engine's own, whichever is over first", async () => {
    const { client } = await answering(() => {}, within({ totalMs: 5000 }));
    await expect(client.request("/x", { timeout: 30 })).rejects.toThrow(/within 30 ms/);
  });
});
