import { type IncomingHttpHeaders } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type TLSSocket } from "node:tls";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { ConnectionFailedError, OutboundRefusedError } from "./errors.ts";
import { type Connection, type ConnectionAuth } from "./ports.ts";
import { startHttp, startServer, type LoopbackServer } from "./test-support/loopback-server.ts";
import { reachConnection } from "./test-support/reach-connection.ts";
import { selfSigned } from "./test-support/self-signed-certificate.ts";

interface Seen {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let own: LoopbackServer;
let other: LoopbackServer;
let seen: { own: Seen[]; other: Seen[] };
const closing: (() => Promise<void>)[] = [];

/** `/v2/<status>/<location>` redirects; all else answers "here". `QUERY` in a location is the query that came. */
async function start(name: "own" | "other"): Promise<LoopbackServer> {
  return startHttp((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { url = "", headers } = request;
      seen[name].push({ url, headers, body });
      const [path = "", query = ""] = url.split("?");
      const [, status, location = ""] = /^\/v2\/(3\d\d)\/(.*)$/.exec(path) ?? [];
      if (status) {
        const to = decodeURIComponent(location).replace("QUERY", query);
        response.writeHead(Number(status), { location: to });
      }
      response.end("here");
    });
  });
}

beforeAll(async () => {
  [own, other] = [await start("own"), await start("other")];
});
afterAll(() => Promise.all([own.close(), other.close()]));
beforeEach(() => {
  seen = { own: [], other: [] };
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

function through(facts: Partial<Connection>) {
  const tokens = { token: () => Promise.resolve("s3cret-token") };
  const reached = reachConnection(own, facts, { tokens }, { alsoAllow: other.host });
  closing.push(() => reached.outbound.close());
  return reached;
}
const to = (status: number, location: string) => `/${status}/${encodeURIComponent(location)}`;

const oauth = {
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
const AUTHS: Record<string, ConnectionAuth> = {
  "an API key in X-API-Key": { type: "api_key", in: "header", name: "X-API-Key", value: "s3cret" },
  // A name that redirects keep, as long as it is no credential.
  "an API key in Content-Language": {
    type: "api_key",
    in: "header",
    name: "Content-Language",
    value: "s3cret",
  },
  "an API key in the query": { type: "api_key", in: "query", name: "api_key", value: "s3cret" },
  "a bearer token": { type: "bearer", token: "s3cret" },
  "name and password": { type: "basic", username: "us", password: "s3cret" },
  "a signature": {
    type: "hmac",
    scheme: "sha256",
    secrets: ["s3cret"],
    header: "X-Signature",
    prefix: "s3cret=",
  },
  "an OAuth token": oauth,
};
/** Basic auth hides the password in base64. */
const showsSecret = (all: Seen[]) =>
  /s3cret/.test(JSON.stringify(all)) ||
  JSON.stringify(all).includes(Buffer.from("us:s3cret").toString("base64"));

describe.each(Object.entries(AUTHS))("%s", (_name, auth) => {
  it.each([301, 302, 303, 307, 308])("stays behind on a %i to another origin", async (status) => {
    const { client, scope } = through({ auth, headers: { "x-tenant": "s3cret" } });
    const options = { method: "POST", body: "x" };
    const answer = await client.request(`${to(status, `${other.origin}/x?QUERY`)}?a=1`, options);
    expect(answer.text()).toBe("here");
    expect(showsSecret(seen.own)).toBe(true);
    expect(seen.other).toHaveLength(1);
    expect(seen.other[0]?.url).toBe("/x?a=1");
    expect(showsSecret(seen.other)).toBe(false);
    expect(answer.url).not.toContain("s3cret");
    expect(JSON.stringify(scope.calls)).not.toContain("s3cret");
  });

  it("does not come back when the chain does", async () => {
    const { client } = through({ auth });
    // The other origin leads back, to where the connection itself would be, and from there one goes on.
    const back = `${other.origin}/v2${to(307, `${own.origin}/v2${to(307, "/v2/end")}`)}`;
    await client.request(to(307, back), { method: "PUT", body: "x" });
    expect(seen.own).toHaveLength(3);
    expect(seen.own.at(-1)?.url).toBe("/v2/end");
    expect(showsSecret(seen.own.slice(1))).toBe(false);
  });

  it("is there on its own origin, whatever the redirect leaves of it", async () => {
    const { client } = through({ auth });
    const answer = await client.request(to(302, "/v2/there?b=2"), { method: "POST", body: "x" });
    expect(answer.url).toBe(`${own.origin}/v2/there?b=2`);
    expect(showsSecret(seen.own.slice(1))).toBe(true);
    await client.request(`${to(307, "/v2/there?QUERY")}?c=3`, { method: "POST", body: "x" });
    const last = seen.own.at(-1);
    expect(last && showsSecret([last])).toBe(true);
    // Set once, also where the server repeated it.
    expect(last?.url.match(/api_key/g) ?? []).toHaveLength(
      auth.type === "api_key" && auth.in === "query" ? 1 : 0,
    );
  });
});

it("is taken from a Location that nobody follows, and nothing else is", async () => {
  const { client } = through({ auth: AUTHS["an API key in the query"] as ConnectionAuth });
  const locationOf = async (path: string) =>
    (await client.request(path, { redirect: "none" })).headers["location"];
  expect(await locationOf(`${to(301, "/v2/a/?QUERY")}?b=1`)).toBe(`${own.origin}/v2/a/?b=1`);
  expect(await locationOf(to(301, "//[?QUERY"))).toBeUndefined();
  expect(await locationOf(to(301, "there?b=1"))).toBe("there?b=1");
  const notTaken = { redirect: "none", acceptStatus: [200] } as const;
  await expect(client.request(to(308, "/v2/a?QUERY"), notTaken)).rejects.toMatchObject({
    response: { headers: { location: `${own.origin}/v2/a` } },
  });
});

it("signs anew what a redirect made of the request", async () => {
  const { client } = through({ auth: AUTHS["a signature"] as ConnectionAuth });
  await client.request(to(303, "/v2/there"), { method: "POST", body: "x" });
  const [first, second] = seen.own.map(({ headers }) => headers["x-signature"]);
  expect(first).toMatch(/^s3cret=[0-9a-f]{64}$/);
  expect(second).toMatch(/^s3cret=[0-9a-f]{64}$/);
  expect(second).not.toBe(first);
});

describe("with TLS of its own", () => {
  const good = selfSigned(["127.0.0.1"]);
  const us = selfSigned(["us.test"]);
  let asked: { url: string; client: string | undefined }[];
  const startTls = async () => {
    const options = { ...good, requestCert: true, rejectUnauthorized: false };
    const server = createTlsServer(options, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      const name = subject as { CN?: string } | undefined;
      asked.push({ url: request.url ?? "", client: name?.CN });
      const location = /^\/v2\/to\/(.*)$/.exec(request.url ?? "")?.[1];
      if (location) response.writeHead(302, { location: decodeURIComponent(location) });
      response.end("secure");
    });
    const started = await startServer(server);
    closing.push(() => started.close());
    return started;
  };
  const tls = { ca: good.cert, certificate: us.cert, privateKey: us.key };
  beforeEach(() => {
    asked = [];
  });

  async function secure(facts: Partial<Connection["tls"]>, authorities?: readonly string[]) {
    const [first, second] = [await startTls(), await startTls()];
    const reached = reachConnection(
      first,
      { baseUrl: `https://${first.host}/v2`, tls: { ...tls, ...facts } },
      {},
      {
        alsoAllow: `${second.host},${own.host}`,
        ...(authorities ? { certificateAuthorities: authorities } : {}),
      },
    );
    closing.push(() => reached.outbound.close());
    return { ...reached, first, second };
  }

  it("a private authority and a client certificate are used", async () => {
    const { client } = await secure({});
    expect((await client.request("/x")).text()).toBe("secure");
    expect(asked).toEqual([{ url: "/v2/x", client: "tl-engine test" }]);
  });

  it("nobody is trusted without the authority, and nothing is shown without a certificate", async () => {
    const { client } = await secure({ ca: null });
    await expect(client.request("/x")).rejects.toThrow(/certificate is not accepted/);
    const plain = await secure({ certificate: null, privateKey: null });
    await plain.client.request("/x");
    expect(asked).toEqual([{ url: "/v2/x", client: undefined }]);
  });

  it("the private authority counts for its own origin alone", async () => {
    const { client, second } = await secure({});
    const away = client.request(`/to/${encodeURIComponent(`https://${second.host}/x`)}`);
    await expect(away).rejects.toThrow(ConnectionFailedError);
    await expect(away).rejects.toThrow(/certificate is not accepted/);
    expect(asked).toHaveLength(1);
  });

  it("the client certificate is shown to nobody else", async () => {
    const { client, second } = await secure({}, [good.cert]);
    await client.request(`/to/${encodeURIComponent(`https://${second.host}/x`)}`);
    expect(asked.map(({ client: name }) => name)).toEqual(["tl-engine test", undefined]);
  });

  it("no redirect leads from https to http", async () => {
    const { client, admission } = await secure({});
    const away = client.request(`/to/${encodeURIComponent(`${own.origin}/x`)}`);
    await expect(away).rejects.toThrow(OutboundRefusedError);
    expect(seen.own).toEqual([]);
    expect(admission.left).toEqual(["success"]);
  });
});
