import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { OutboundRefusedError, UpstreamError } from "./errors.ts";
import { createOutbound, type Outbound } from "./outbound.ts";
import { followRedirect } from "./redirect.ts";
import { readTarget } from "./target.ts";
import { startHttp, type LoopbackServer } from "./test-support/loopback-server.ts";
import { createTestScope } from "./test-support/test-scope.ts";

interface Seen {
  method: string;
  url: string;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

let first: LoopbackServer;
let second: LoopbackServer;
let outbound: Outbound;
let seen: { first: Seen[]; second: Seen[] };
/** `/<status>/<location>` redirects; all else answers with "here". */
async function start(name: "first" | "second"): Promise<LoopbackServer> {
  return startHttp((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      seen[name].push({ method, url, headers, body });
      const [, status, location = ""] = /^\/(3\d\d)\/(.*)$/.exec(url) ?? [];
      if (status) response.writeHead(Number(status), { location: decodeURIComponent(location) });
      response.end(status ? "moved" : "here");
    });
  });
}

beforeAll(async () => {
  [first, second] = [await start("first"), await start("second")];
  outbound = createOutbound({ allow: parseAllowList(`${first.host},${second.host}`) });
});
afterAll(async () => {
  await outbound.close();
  await Promise.all([first.close(), second.close()]);
});
beforeEach(() => {
  seen = { first: [], second: [] };
});

const to = (status: number, location: string) =>
  `${first.origin}/${status}/${encodeURIComponent(location)}`;
const SECRETS = {
  Authorization: "Bearer s3cret",
  Cookie: "session=s3cret",
  "Proxy-Authorization": "Basic s3cret",
  "X-API-Key": "s3cret",
  "Ocp-Apim-Subscription-Key": "s3cret",
  "X-Anything": "s3cret",
};
const HARMLESS = {
  Accept: "text/x",
  "Accept-Language": "de",
  "User-Agent": "mine",
  Range: "bytes=0-",
};

describe("credentials", () => {
  it.each([301, 302, 303, 307, 308])("stay behind on a %i to another origin", async (status) => {
    const http = outbound.http(createTestScope());
    const headers = { ...SECRETS, ...HARMLESS };
    const answer = await http.request(to(status, `${second.origin}/x`), {
      method: "POST",
      headers,
      json: { a: 1 },
    });
    expect(answer).toMatchObject({ status: 200, url: `${second.origin}/x`, redirects: 1 });
    expect(JSON.stringify(seen.first)).toContain("s3cret");
    expect(JSON.stringify(seen.second)).not.toContain("s3cret");
    expect(seen.second[0]?.headers).toMatchObject({
      accept: "text/x",
      "accept-language": "de",
      "user-agent": "mine",
      range: "bytes=0-",
    });
  });

  it("stay on the same origin", async () => {
    const http = outbound.http(createTestScope());
    await http.request(to(302, "/there"), { headers: SECRETS });
    expect(seen.first[1]?.headers).toMatchObject({
      authorization: "Bearer s3cret",
      cookie: "session=s3cret",
      "x-api-key": "s3cret",
    });
  });

  it("do not come back when the chain does", async () => {
    const http = outbound.http(createTestScope());
    const back = `${second.origin}/302/${encodeURIComponent(`${first.origin}/end`)}`;
    await http.request(to(302, back), { headers: SECRETS });
    expect(seen.first.at(-1)?.url).toBe("/end");
    expect(JSON.stringify(seen.first.at(-1))).not.toContain("s3cret");
  });
});

describe("method and body", () => {
  it.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [307, "POST", "POST"],
    [308, "POST", "POST"],
    [301, "PUT", "PUT"],
    [302, "DELETE", "DELETE"],
    [303, "PUT", "GET"],
    [303, "HEAD", "HEAD"],
    [302, "HEAD", "HEAD"],
    [307, "GET", "GET"],
  ])("a %i turns %s into %s", async (status, method, expected) => {
    const http = outbound.http(createTestScope());
    const hasBody = method === "POST" || method === "PUT";
    await http.request(to(status, "/x"), { method, ...(hasBody ? { json: { a: 1 } } : {}) });
    const kept = hasBody && expected === method;
    expect(seen.first[1]).toMatchObject({
      method: expected,
      url: "/x",
      body: kept ? '{"a":1}' : "",
    });
    expect("content-type" in (seen.first[1]?.headers ?? {})).toBe(kept);
  });
});

describe("limits", () => {
  it("follows three and no more", async () => {
    const http = outbound.http(createTestScope());
    const chain = (n: number): string =>
      n === 0 ? "/end" : `/302/${encodeURIComponent(chain(n - 1))}`;
    await expect(http.request(first.origin + chain(3))).resolves.toMatchObject({ redirects: 3 });
    const tooLong = http.request(first.origin + chain(4));
    await expect(tooLong).rejects.toThrow(UpstreamError);
    await expect(tooLong).rejects.toMatchObject({ retryable: false });
    expect(seen.first).toHaveLength(4 + 4);
  });

  it("gives the redirect itself where it is not to be followed", async () => {
    const http = outbound.http(createTestScope());
    const answer = await http.request(to(302, `${second.origin}/x`), { redirect: "none" });
    expect(answer).toMatchObject({ status: 302, redirects: 0 });
    expect(answer.headers["location"]).toBe(`${second.origin}/x`);
    expect(answer.text()).toBe("moved");
    expect(seen.second).toEqual([]);
  });

  it("takes a 3xx without Location, 300 and 304 as answers", async () => {
    const plain = await startHttp((request, response) => {
      response.writeHead(
        Number(request.url?.slice(1)),
        request.url === "/302" ? {} : { location: "/x" },
      );
      response.end();
    });
    const door = createOutbound({ allow: parseAllowList(plain.host) });
    for (const status of [300, 302, 304]) {
      const answer = await door.http(createTestScope()).request(`${plain.origin}/${status}`);
      expect(answer).toMatchObject({ status, redirects: 0 });
    }
    await door.close();
    await plain.close();
  });

  it("logs each hop, without queries", async () => {
    const scope = createTestScope();
    await outbound
      .http(scope)
      .request(to(307, `${second.origin}/x?token=s3cret`), { step: "load" });
    expect(scope.calls).toMatchObject([
      { step: "load", host: first.host, status: 307, error_code: null },
      { step: "load", host: second.host, path: "/x", status: 200, error_code: null },
    ]);
    expect(JSON.stringify(scope.calls.slice(1))).not.toContain("s3cret");
  });
});

describe("followRedirect", () => {
  const hop = (url: string) => ({
    target: readTarget(url),
    hidesPath: false,
    own: false,
    request: { method: "GET", path: "/", headers: {}, body: null },
  });
  it("refuses to go from https to http", () => {
    expect(() => followRedirect(hop("https://a.test/"), 302, "http://a.test/")).toThrow(
      OutboundRefusedError,
    );
    expect(followRedirect(hop("http://a.test/"), 302, "https://a.test/").target.secure).toBe(true);
    expect(followRedirect(hop("https://a.test/"), 302, "//b.test/c?d").request.path).toBe("/c?d");
  });

  it("counts scheme, host and port as origin", () => {
    const from = hop("http://a.test/");
    const withKey = { ...from, request: { ...from.request, headers: { "x-api-key": "k" } } };
    for (const [location, kept] of [
      ["http://a.test:80/x", true],
      ["/x", true],
      ["https://a.test/", false],
      ["http://a.test:81/", false],
      ["http://b.a.test/", false],
      ["http://a.test./", false],
    ] as const) {
      expect("x-api-key" in followRedirect(withKey, 302, location).request.headers).toBe(kept);
    }
  });
});
