import { generateKeyPairSync } from "node:crypto";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type PeerCertificate, type TLSSocket } from "node:tls";

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { parseAllowList } from "../allow-list.ts";
import { createOutbound } from "../outbound.ts";
import {
  type Connection,
  type ConnectionAuth,
  type OAuthClient,
  type ConnectionTls,
  type OutboundCall,
} from "../ports.ts";
import {
  CLIENT_SECRET,
  startAuthorizationServer,
  type AuthorizationServer,
} from "../test-support/authorization-server.ts";
import { startHttp, startServer } from "../test-support/loopback-server.ts";
import { selfSigned } from "../test-support/self-signed-certificate.ts";
import { testConnection } from "../test-support/test-connection.ts";
import { createTokenFetcher, type TokenFetcherOptions } from "./fetch-token.ts";
import { type TokenError } from "./token-error.ts";

const cause = { executionId: "e-1", attempt: 2, dispatch: 7 };
const signal = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

function fetcher(
  allow: string,
  options: TokenFetcherOptions = {},
  facts: Partial<Connection> = {},
) {
  const outbound = createOutbound({
    allow: parseAllowList(allow),
    resolver: { resolve: async () => ["127.0.0.1"] },
  });
  closing.push(() => outbound.close());
  const calls: OutboundCall[] = [];
  const fetchToken = createTokenFetcher(
    async () => outbound,
    { record: (call) => calls.push(call) },
    options,
  );
  return {
    calls,
    fetch: (auth: ConnectionAuth, refreshToken: string | null = null, abort = signal) =>
      fetchToken(testConnection({ auth, ...facts }), refreshToken, cause, abort),
  };
}

describe("a certified OAuth server", () => {
  let server: AuthorizationServer;
  beforeAll(async () => {
    server = await startAuthorizationServer();
  });
  afterAll(() => server.close());

  const grant = (client: OAuthClient) =>
    ({ type: "oauth2_client_credentials", ...client }) as const;

  it.each(["basic", "post", "private_key_jwt"] as const)(
    "gives a token to a client that is shown by %s",
    async (clientAuth) => {
      const { fetch, calls } = fetcher(server.server.host);
      const client = server.client(clientAuth, { scope: "orders:read" });
      const { accessToken, refreshToken, lifeMs } = await fetch(grant(client));
      expect(await server.isGood(accessToken)).toBe(true);
      expect([refreshToken, lifeMs]).toEqual([null, 3_600_000]);
      expect(calls).toEqual([
        expect.objectContaining({
          execution_id: "e-1",
          attempt: 2,
          dispatch: 7,
          connection: "crm",
          purpose: "token",
          method: "POST",
          host: server.server.host,
          path: "/token",
          status: 200,
          error_code: null,
          breaker_state: null,
          request_body: null,
          response_body: null,
          resend: null,
        }),
      ]);
      const said = JSON.stringify(calls);
      const basic = Buffer.from(`c%3Abasic:${CLIENT_SECRET}`).toString("base64").slice(0, 16);
      for (const secret of [accessToken, CLIENT_SECRET, basic, "PRIVATE KEY", "eyJ"]) {
        expect(said).not.toContain(secret);
      }
    },
  );

  it("takes each assertion once, and a new one is made each time", async () => {
    const { fetch } = fetcher(server.server.host);
    const auth = grant(server.client("private_key_jwt"));
    const first = await fetch(auth);
    const second = await fetch(auth);
    expect(second.accessToken).not.toBe(first.accessToken);
  });

  it("takes no assertion that has expired", async () => {
    const { fetch } = fetcher(server.server.host, { now: () => new Date(Date.now() - 90_000) });
    await expect(fetch(grant(server.client("private_key_jwt")))).rejects.toMatchObject({
      oauthError: "invalid_client",
      retryable: false,
    });
  });

  it("gives a new refresh token with each use of the old one, which then is no good", async () => {
    const { fetch } = fetcher(server.server.host);
    const client = server.client("basic");
    const given = await server.newRefreshToken(client.clientId);
    const auth = { type: "oauth2_refresh_token", refreshToken: given, ...client } as const;
    const first = await fetch(auth);
    expect(first.refreshToken).not.toBeNull();
    expect(first.refreshToken).not.toBe(given);
    const second = await fetch(auth, first.refreshToken);
    expect(await server.isGood(second.accessToken)).toBe(true);

    const used = fetch(auth, first.refreshToken);
    await expect(used).rejects.toMatchObject({ oauthError: "invalid_grant", retryable: false });
    await expect(used).rejects.toThrow(
      /token endpoint .*\/token answered invalid_grant.*authorise anew and set refresh_token/,
    );
  });

  it.each(["basic", "post"] as const)(
    "refuses another secret by %s, and says what to check",
    async (by) => {
      const { fetch } = fetcher(server.server.host);
      const refused = fetch(grant(server.client(by, { clientSecret: "0ther-secret" })));
      await expect(refused).rejects.toMatchObject({
        code: "upstream_error",
        oauthError: "invalid_client",
        retryable: false,
      });
      await expect(refused).rejects.toThrow(/connection crm: .* check client_id, client_auth/);
      await expect(refused).rejects.not.toThrow(/0ther-secret/);
    },
  );

  it("refuses an assertion by another key", async () => {
    const { fetch } = fetcher(server.server.host);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const other = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const refused = fetch(grant(server.client("private_key_jwt", { privateKey: other })));
    await expect(refused).rejects.toMatchObject({ oauthError: "invalid_client" });
  });

  it("is not asked where the client lacks what it needs", async () => {
    const { fetch } = fetcher(server.server.host);
    const before = server.fetches();
    const lacking: [Partial<OAuthClient>, OAuthClient["clientAuth"]][] = [
      [{ clientSecret: null }, "basic"],
      [{ clientSecret: "" }, "post"],
      [{ privateKey: null }, "private_key_jwt"],
      [{ privateKey: "s3cret" }, "private_key_jwt"],
      [{ algorithm: "RS256" }, "private_key_jwt"],
    ];
    for (const [facts, by] of lacking) {
      const refused = fetch(grant(server.client(by, facts)));
      await expect(refused).rejects.toMatchObject({ name: "TokenError", retryable: false });
      await expect(refused).rejects.not.toThrow(/s3cret/);
    }
    expect(server.fetches()).toBe(before);
  });
});

/** A token endpoint that does as it is told, and the error that comes of it. */
async function misbehaving(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  options: TokenFetcherOptions = {},
) {
  const server = await startHttp(listener);
  closing.push(() => server.close());
  const { fetch, calls } = fetcher(server.host, options);
  const auth: ConnectionAuth = {
    type: "oauth2_client_credentials",
    tokenUrl: `${server.origin}/token?tenant=q-secret`,
    clientId: "c",
    clientAuth: "post",
    clientSecret: CLIENT_SECRET,
    privateKey: null,
    keyId: null,
    algorithm: null,
    scope: "a b",
    audience: "https://api.test",
  };
  const failure = async () => {
    try {
      await fetch(auth);
    } catch (error) {
      const { message, code, retryable, retryAfterMs, oauthError } = error as TokenError;
      return { message, code, retryable, retryAfterMs, oauthError };
    }
    throw new Error("it did not fail");
  };
  return { server, fetch: (abort?: AbortSignal) => fetch(auth, null, abort), failure, calls };
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}) {
  return (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
}

describe("what is asked for", () => {
  it("is a form with scope and audience, without anything of the execution", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { fetch } = await misbehaving((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        resolve(`${request.headers["content-type"] ?? ""} ${text}`);
        json({ access_token: "t", token_type: "bearer" })(request, response);
      });
    });
    await fetch();
    expect(await promise).toBe(
      "application/x-www-form-urlencoded grant_type=client_credentials&scope=a+b&audience=https%3A%2F%2Fapi.test" +
        "&client_id=c&client_secret=pa+ss%3Aw%2Brd%252F%26%3D%7E%21*%27%28%29",
    );
  });
});

describe("an answer that lacks something", () => {
  it.each([
    [{ access_token: "t", token_type: "BEARER" }, 300_000],
    [{ access_token: "t", token_type: "bearer", expires_in: null }, 300_000],
    [{ access_token: "t", token_type: "bearer", expires_in: "soon" }, 300_000],
    [{ access_token: "t", token_type: "bearer", expires_in: "90" }, 90_000],
    [{ access_token: "t", token_type: "bearer", expires_in: 0.5 }, 500],
    [{ access_token: "t", token_type: "bearer", expires_in: 1e12 }, 2_592_000_000],
  ])("is read as it is meant: %j lives %i ms", async (answer, lifeMs) => {
    const { fetch } = await misbehaving(json(answer));
    expect(await fetch()).toEqual({ accessToken: "t", refreshToken: null, lifeMs });
  });

  it.each<[string, unknown, RegExp, boolean]>([
    ["another type", { access_token: "t", token_type: "mac" }, /not Bearer/, false],
    ["no type", { access_token: "t" }, /not Bearer/, false],
    ["no token", { token_type: "bearer" }, /no access_token/, false],
    ["two lines", { access_token: "a\r\nb", token_type: "bearer" }, /no access_token/, false],
    [
      "expired",
      { access_token: "t", token_type: "bearer", expires_in: 0 },
      /expired already/,
      true,
    ],
    ["a list", [], /no JSON object/, true],
    ["null", null, /no JSON object/, true],
  ])("is refused: %s", async (_what, answer, message, retryable) => {
    const { failure } = await misbehaving(json(answer));
    const failed = await failure();
    expect(failed).toMatchObject({ code: "upstream_error", retryable });
    expect(failed.message).toMatch(message);
  });
});

describe("an endpoint that says no", () => {
  it.each<[number, string, boolean, RegExp]>([
    [400, "invalid_grant", false, /set refresh_token/],
    [400, "invalid_scope", false, /check scope/],
    [400, "unauthorized_client", false, /allow this grant/],
    [400, "something_new", false, /answered something_new \(why not\)$/],
    [200, "invalid_client", false, /check client_id/],
    [400, "temporarily_unavailable", true, /answered temporarily_unavailable/],
    [503, "server_error", true, /server_error/],
    [429, "slow_down", true, /slow_down/],
  ])("with %i %s: retryable %s", async (status, error, retryable, message) => {
    const { failure } = await misbehaving(
      json({ error, error_description: "why not" }, status, { "retry-after": "7" }),
    );
    const failed = await failure();
    expect(failed).toMatchObject({ code: "upstream_error", retryable, oauthError: error });
    expect(failed.retryAfterMs).toBe(retryable ? 7000 : undefined);
    expect(failed.message).toMatch(message);
  });

  it.each([
    [500, true],
    [429, true],
    [401, false],
    [404, false],
  ])("with %i and HTML: retryable %s", async (status, retryable) => {
    const { failure } = await misbehaving((_request, response) => {
      response.writeHead(status, { "content-type": "text/html" });
      response.end("<html>q-secret</html>");
    });
    const failed = await failure();
    expect(failed.retryable).toBe(retryable);
    expect(failed.message).not.toMatch(/q-secret|html/);
  });

  it("is quoted only where it echoes no secret, and within bounds", async () => {
    const description = { value: "" };
    const { failure } = await misbehaving((request, response) => {
      json({ error: "invalid_client", error_description: description.value }, 401)(
        request,
        response,
      );
    });
    const said = async (value: string) => {
      description.value = value;
      return (await failure()).message;
    };
    expect(await said("no such client")).toMatch(/\(no such client\)/);
    expect(await said(`secret ${CLIENT_SECRET} is wrong`)).not.toMatch(/secret pa|is wrong/);
    expect(await said(`got ${encodeURIComponent(CLIENT_SECRET)}`)).not.toMatch(/got/);
    expect(await said("a\r\nb\u001b[31m")).toMatch(/\(a b \[31m\)/);
    expect((await said("x".repeat(5000))).length).toBeLessThan(500);
  });
});

describe("an endpoint that misbehaves", () => {
  it("by HTML with 200", async () => {
    const { failure } = await misbehaving((_request, response) => response.end("<html>"));
    expect(await failure()).toMatchObject({ code: "upstream_error", retryable: true });
  });

  it("by a redirect, which is not followed", async () => {
    const elsewhere = await startHttp((_request, response) => response.end());
    closing.push(() => elsewhere.close());
    for (const status of [301, 302, 303, 307, 308]) {
      const { failure } = await misbehaving((_request, response) => {
        response.writeHead(status, { location: elsewhere.origin });
        response.end();
      });
      const failed = await failure();
      expect(failed).toMatchObject({ code: "upstream_error", retryable: false });
      expect(failed.message).toMatch(/redirects are not followed: correct token_url/);
    }
    expect(elsewhere.connections()).toBe(0);
  });

  it("by an answer without end", async () => {
    const { failure, server, calls } = await misbehaving((_request, response) => {
      response.on("error", () => {});
      const more = () => {
        while (response.write(Buffer.alloc(16 * 1024, 0x20)));
        response.once("drain", more);
      };
      more();
    });
    const failed = await failure();
    expect(failed).toMatchObject({ code: "upstream_error", retryable: false });
    expect(failed.message).toMatch(/larger than 65536 bytes/);
    await server.allClosed();
    expect(calls[0]?.bytes_received).toBeLessThan(8 * 1024 * 1024);
  });

  it("by silence", async () => {
    const { failure, server } = await misbehaving(() => {}, { timeoutMs: 50 });
    const failed = await failure();
    expect(failed).toMatchObject({ code: "connection_failed", retryable: true });
    expect(failed.message).toMatch(/no whole answer within 50 ms/);
    await server.allClosed();
  });

  it("by hanging up", async () => {
    const { failure } = await misbehaving((request) => request.socket.destroy());
    expect(await failure()).toMatchObject({ code: "connection_failed", retryable: true });
  });

  it("by an error of five hundred, whose address is told without its query", async () => {
    const { failure, server } = await misbehaving(json({}, 500));
    const { message, retryable } = await failure();
    expect(retryable).toBe(true);
    expect(message).toBe(`connection crm: the token endpoint ${server.host}/token answered 500`);
  });
});

describe("the certificates of a token endpoint", () => {
  const site = selfSigned(["login.test", "crm.test"]);
  const ours = selfSigned(["us.test"]);

  /** Asks an endpoint that says which client certificate it saw. */
  async function seen(host: string, tls: Partial<ConnectionTls>) {
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      // Empty where none was shown, whatever its type says.
      const shown: Partial<PeerCertificate> = (request.socket as TLSSocket).getPeerCertificate();
      const { fingerprint256 = "none" } = shown;
      json({ access_token: fingerprint256, token_type: "bearer" })(request, response);
    };
    const options = { ...site, requestCert: true, rejectUnauthorized: false };
    const server = await startServer(createServer(options, answer));
    closing.push(() => server.close());
    const { fetch } = fetcher(
      `login.test:${server.port} crm.test:${server.port}`,
      {},
      {
        baseUrl: `https://crm.test:${server.port}/api`,
        tls: { ca: null, certificate: ours.cert, privateKey: ours.key, ...tls },
      },
    );
    const { accessToken } = await fetch({
      type: "oauth2_client_credentials",
      tokenUrl: `https://${host}:${server.port}/token`,
      clientId: "c",
      clientAuth: "basic",
      clientSecret: "s",
      privateKey: null,
      keyId: null,
      algorithm: null,
      scope: null,
      audience: null,
    });
    return accessToken;
  }

  it("are checked, also against the connection's private authority", async () => {
    await expect(seen("login.test", {})).rejects.toMatchObject({
      code: "connection_failed",
      retryable: false,
    });
    expect(await seen("login.test", { ca: site.cert })).toBe("none");
  });

  it("are met by the client's own on the connection's origin alone", async () => {
    expect(await seen("crm.test", { ca: site.cert })).toMatch(/^([0-9A-F]{2}:){31}/);
    expect(await seen("login.test", { ca: site.cert })).toBe("none");
  });
});

describe("the door", () => {
  it("judges a token endpoint like any other target", async () => {
    const server = await startHttp(json({ access_token: "t", token_type: "bearer" }));
    closing.push(() => server.close());
    const { fetch, calls } = fetcher("");
    const refused = fetch({
      type: "oauth2_client_credentials",
      tokenUrl: `${server.origin}/token`,
      clientId: "c",
      clientAuth: "basic",
      clientSecret: "s",
      privateKey: null,
      keyId: null,
      algorithm: null,
      scope: null,
      audience: null,
    });
    await expect(refused).rejects.toMatchObject({ code: "outbound_refused", retryable: false });
    await expect(refused).rejects.toThrow(/connection crm: its token endpoint/);
    expect(server.connections()).toBe(0);
    expect(calls).toMatchObject([{ purpose: "token", error_code: "outbound_refused" }]);
  });

  it("closes the socket when nobody waits any more", async () => {
    const ending = new AbortController();
    const { fetch, server } = await misbehaving(() => ending.abort(new Error("canceled")));
    await expect(fetch(ending.signal)).rejects.toThrow("canceled");
    await server.allClosed();
  });
});
