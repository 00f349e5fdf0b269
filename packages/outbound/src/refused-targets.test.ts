import { createRoutes } from "./route.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { createConnectGuard } from "./connect-guard.ts";
import { createConnectionPool } from "./connection-pool.ts";
import { OutboundRefusedError } from "./errors.ts";
import { createHttpClient } from "./http.ts";
import { openSocket, type OpenSocketOptions } from "./open-socket.ts";
import { startHttp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestAdmission, type TestAdmission } from "./test-support/test-admission.ts";
import { testConnection } from "./test-support/test-connection.ts";
import { createTestScope, type TestScope } from "./test-support/test-scope.ts";

// The canary answers on loopback and must never be reached. So that a broken guard sends nothing
// beyond this machine, whoever would connect elsewhere is counted and stopped in `open`.
let canary: LoopbackServer;
let redirector: LoopbackServer;
let opened: string[] = [];
let scope: TestScope;
let admission: TestAdmission;
let location = "";
let status = 302;

const NAMES: Readonly<Record<string, readonly string[]>> = {
  "a-only.test": ["127.0.0.1"],
  "aaaa-only.test": ["::1"],
  "good-and-bad.test": ["93.184.216.34", "127.0.0.1"],
  "bad-and-good.test": ["127.0.0.1", "93.184.216.34"],
  "good-and-bad-6.test": ["93.184.216.34", "::1"],
  "mapped.test": ["::ffff:127.0.0.1"],
  "nat64.test": ["64:ff9b::7f00:1"],
  "private.test": ["10.0.0.1"],
  "link-local.test": ["169.254.169.254"],
};

/** P stands for the canary's port. */
const WITH_ADDRESS = [
  "http://127.0.0.1:P/", "http://127.1:P/", "http://0177.0.0.1:P/", "http://0x7f000001:P/",
  "http://2130706433:P/", "http://017700000001:P/", "http://127.0.0.1.:P/", "http://localhost:P/",
  "http://localhost.:P/", "http://LOCALHOST:P/", "http://sub.localhost:P/", "http://0.0.0.0:P/",
  "http://0:P/", "http://①②⑦.⓪.⓪.①:P/", "http://127.0.0.1:P#@example/", "http://127.0.0.1:P\\@example/",
  "http://127.0.0.2:P/", "http://127.255.255.254:P/", "http://%31%32%37.0.0.1:P/", "https://127.0.0.1:P/",
  "HTTP://127.0.0.1:P/", "http:127.0.0.1:P/", "http:/127.0.0.1:P/", "http:\\\\127.0.0.1:P/",
  "http://[::1]:P/", "http://[::]:P/", "http://[0:0:0:0:0:0:0:1]:P/", "http://[::ffff:127.0.0.1]:P/",
  "http://[::ffff:7f00:1]:P/", "http://[::127.0.0.1]:P/", "http://[64:ff9b::7f00:1]:P/",
  "http://[64:ff9b:1::7f00:1]:P/", "http://[2002:7f00:1::]:P/", "http://[2001:0:53aa:64c::80ff:fffe]:P/",
  "http://[fe80::1]:P/", "http://[febf::1]:P/", "http://[fec0::1]:P/", "http://[fc00::1]:P/",
  "http://[fd00:ec2::254]/", "http://[ff02::1]:P/", "http://[2001:db8::1]:P/", "http://[100::1]:P/",
  "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/", "http://100.100.100.200/",
  "http://metadata.google.internal/", "http://metadata.google.internal./", "http://10.0.0.1:P/",
  "http://172.16.0.1/", "http://192.168.0.1/", "http://100.64.0.1/", "http://192.0.0.1/",
  "http://192.0.2.1/", "http://198.18.0.1/", "http://224.0.0.1/", "http://240.0.0.1/",
  "http://255.255.255.255/", "http://168.63.129.16/", "http://a-only.test:P/", "http://aaaa-only.test:P/",
  "http://good-and-bad.test:P/", "http://bad-and-good.test:P/", "http://good-and-bad-6.test:P/",
  "http://mapped.test:P/", "http://nat64.test:P/", "http://private.test/", "http://link-local.test/",
  "http://a-only.test.:P/", "http://93.184.216.34:22/", "http://93.184.216.34:25/",
  "http://93.184.216.34:5432/", "http://93.184.216.34:6379/",
]; // prettier-ignore

const BY_SYNTAX = [
  "http://example@127.0.0.1:P", "http://user:pw@example.com/", "http://127.0.0.1%00.example:P/",
  "http://127.0.0.1:P\r\n/", "http://127.0.0.1\t:P/", "file:///etc/passwd", "ftp://127.0.0.1:P/",
  "gopher://127.0.0.1:P/_x", "data:text/plain,x", "blob:http://127.0.0.1:P/x", "javascript:fetch('/')",
  "unix:/var/run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/", "jar:http://127.0.0.1:P!/", "ws://127.0.0.1:P/",
]; // prettier-ignore

const at = (text: string) => text.replace(":P", `:${canary.port}`);

const knownNames = async (hostname: string) => NAMES[hostname.replace(/\.$/, "")] ?? [];

/** A client to plain addresses, or through a connection with this base URL. */
function client(resolve = knownNames, baseUrl?: string) {
  return createHttpClient(
    {
      guard: createConnectGuard({
        rules: parseAllowList(redirector.host).engines,
        resolver: { resolve },
        dnsTimeoutMs: 5000,
      }),
      pool: createConnectionPool(),
      routeOf: createRoutes(),
      connectTimeoutMs: 5000,
      open: async (options: OpenSocketOptions) => {
        opened.push(`${options.addresses.join()}:${options.target.port}`);
        if (options.target.port !== redirector.port) throw new Error("stopped by the test");
        return openSocket(options);
      },
    },
    baseUrl === undefined ? scope : { ...scope, ...connected(baseUrl) },
    baseUrl === undefined ? undefined : "crm",
  );
}

/** A connection with a credential of its own, which must not come with a call that leads elsewhere. */
function connected(baseUrl: string) {
  admission = createTestAdmission();
  const auth = { type: "bearer", token: "s3cret" } as const;
  const retry = { maxRetries: 2, initialMs: 1, maxMs: 1, maxRetryAfterMs: 1 };
  const connection = async () => testConnection({ baseUrl, auth, retry });
  return { admission, connections: { connection } };
}

beforeAll(async () => {
  canary = await startHttp((_request, response) => response.end("secret"));
  redirector = await startHttp((request, response) => {
    // What a URL's text can't be in a header is left to the unit tests of readTarget.
    if (request.url === "/refresh") response.setHeader("refresh", `0; url=${canary.origin}`);
    else response.writeHead(status, { location: Buffer.from(location).toString("latin1") });
    response.end();
  });
});
afterAll(() => Promise.all([canary.close(), redirector.close()]));
beforeEach(() => {
  opened = [];
  status = 302;
  scope = createTestScope();
});

async function expectRefused(called: Promise<unknown>, hopsBefore: number) {
  await expect(called).rejects.toBeInstanceOf(OutboundRefusedError);
  await expect(called).rejects.toMatchObject({ code: "outbound_refused", retryable: false });
  expect(opened).toHaveLength(hopsBefore);
  expect(canary.connections()).toBe(0);
  expect(scope.calls).toHaveLength(hopsBefore + 1);
  expect(scope.calls.at(-1)).toMatchObject({ error_code: "outbound_refused", bytes_sent: 0 });
}

it("has at least the promised number of cases", () => {
  expect(WITH_ADDRESS.length + BY_SYNTAX.length).toBeGreaterThanOrEqual(60);
});

describe("is refused before any packet", () => {
  it.each([...WITH_ADDRESS, ...BY_SYNTAX])("%j", async (text) => {
    await expectRefused(client().request(at(text)), 0);
  });
});

describe("is refused as a connection's base URL, and is not tried again", () => {
  it.each([...WITH_ADDRESS, ...BY_SYNTAX])("%j", async (text) => {
    await expectRefused(client(knownNames, at(text)).request("/x"), 0);
    // What no look-up and no syntax refuses has been let through, and says nothing of the other side.
    expect(admission.left.filter((outcome) => outcome !== "ignored")).toEqual([]);
    expect(admission.inside()).toBe(0);
  });
});

describe("is refused as an address given to a connection", () => {
  it.each([...WITH_ADDRESS, ...BY_SYNTAX])("%j", async (text) => {
    await expectRefused(client(knownNames, `${redirector.origin}/v2`).request(at(text)), 0);
    expect(admission.entered()).toBe(0);
  });
});

const REDIRECTS = [...WITH_ADDRESS, ...BY_SYNTAX].filter((text) => !/[\r\n]|https:\/\//.test(text));

describe("is refused as the target of a connection's redirect", () => {
  it.each(REDIRECTS)("%j", async (text) => {
    location = at(text);
    if (/^http:(\/?[^/\\])/.test(location)) location = location.replace(/^http:\/?/, "http://");
    await expectRefused(client(knownNames, redirector.origin).request("/"), 1);
    expect(admission.left).toEqual(["success"]);
  });
});

describe("is refused as a redirect's target", () => {
  const all = REDIRECTS;
  it.each(all)("%j", async (text) => {
    location = at(text);
    // A Location without an authority of its own would lead back to where it came from.
    if (/^http:(\/?[^/\\])/.test(location)) location = location.replace(/^http:\/?/, "http://");
    await expectRefused(client().request(`${redirector.origin}/`), 1);
  });

  it.each([301, 302, 303, 307, 308])("with status %i, also for a POST", async (code) => {
    status = code;
    location = `${canary.origin}/`;
    await expectRefused(client().request(`${redirector.origin}/`), 1);
    scope = createTestScope();
    opened = [];
    const post = client().request(redirector.origin, { method: "POST", json: {} });
    await expectRefused(post, 1);
  });

  it("after a chain, and without a scheme", async () => {
    let hops = 0;
    const chain = await startHttp((_request, response) => {
      hops++;
      response.writeHead(302, { location: hops < 3 ? `/hop${hops}` : `//${canary.host}/` }).end();
    });
    const guarded = createHttpClient(
      {
        guard: createConnectGuard({
          rules: parseAllowList(chain.host).engines,
          resolver: { resolve: async () => [] },
          dnsTimeoutMs: 5000,
        }),
        pool: createConnectionPool(),
        routeOf: createRoutes(),
        connectTimeoutMs: 5000,
        open: openSocket,
      },
      scope,
    );
    await expect(guarded.request(chain.origin)).rejects.toBeInstanceOf(OutboundRefusedError);
    expect(hops).toBe(3);
    expect(canary.connections()).toBe(0);
    await chain.close();
  });
});

it("follows no Refresh header", async () => {
  await expect(client().request(`${redirector.origin}/refresh`)).resolves.toMatchObject({
    status: 200,
  });
  expect(canary.connections()).toBe(0);
});

describe("a name that turns from public to loopback (rebinding)", () => {
  it("is looked up once for a connection, which then goes to the judged address", async () => {
    let lookups = 0;
    const flips = async () => (lookups++ === 0 ? ["93.184.216.34"] : ["127.0.0.1"]);
    const calls = client(flips);
    await expect(calls.request(at("http://flips.test:P/"))).rejects.toThrow();
    expect(lookups).toBe(1);
    expect(opened).toEqual([`93.184.216.34:${canary.port}`]);

    await expect(calls.request(at("http://flips.test:P/"))).rejects.toThrow(OutboundRefusedError);
    expect(opened).toHaveLength(1);
    expect(canary.connections()).toBe(0);
  });

  it("is connected to by the address alone: the name is never resolved again", async () => {
    // No resolver knows this name, so a connection proves that none was asked.
    const socket = await openSocket({
      target: {
        url: new URL(`http://no-such-name.invalid:${redirector.port}/`),
        secure: false,
        hostname: "no-such-name.invalid",
        port: redirector.port,
        address: null,
      },
      addresses: ["127.0.0.1"],
      timeoutMs: 5000,
      signal: new AbortController().signal,
    });
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
  });
});
