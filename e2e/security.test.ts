import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@tl-engine/client";
import { makeKey } from "@tl-engine/shared/keys/key-format.ts";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import { findSecrets, textOfDatabase, textOfRedis, type Kept } from "../test/everything-kept.ts";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";
import { openRaw, readAnswers, sendRaw } from "./support/raw-http.ts";
import { request, type Answer, type RequestOptions } from "./support/request.ts";

const origin = "https://app.example.com";

let database: FreshDatabase;
let redisUrl: string | null;
let deployment: Deployment;
let upstream: Server;
/** Where http.request may call. */
let upstreamUrl = "";
let plane: Client;
/** Connections that say next to nothing, opened first of all; the last test looks at what became of them. */
let slow: { socket: Socket; openedAt: number; closedAt: number | null }[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  redisUrl = hasRedis() ? await freshRedis() : null;
  upstream = createServer((asked, response) => {
    asked.resume();
    const { pathname } = new URL(asked.url ?? "/", "http://upstream");
    if (pathname === "/fails") response.writeHead(500).end("broken");
    else if (pathname === "/moves") response.writeHead(302, { location: "/elsewhere?s=1" }).end();
    else if (pathname === "/hangs") asked.on("close", () => response.destroy());
    else response.end("{}");
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const upstreamAddress = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  upstreamUrl = `http://${upstreamAddress}`;
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl,
    apis: 1,
    workers: 1,
    engines: ["surroundings", "sleep"],
    env: {
      TL_OUTBOUND_ALLOW: upstreamAddress,
      TL_GRACE_SECONDS: "1",
      TL_LOG_LEVEL: "debug",
      TL_CORS_ORIGINS: origin,
    },
  });
  plane = deployment.client();
  slow = Array.from({ length: 300 }, (_, n) => openSlowly(n));
});
afterAll(async () => {
  for (const { socket } of slow) socket.destroy();
  await deployment?.stop();
  upstream?.closeAllConnections();
  upstream?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

const api = (): string => deployment.apis[0]!.url;
const ask = (path: string, options: RequestOptions = {}): Promise<Answer> =>
  request(`${api()}/api/v1${path}`, options);
const keyHeader = (key: string) => ({ "x-api-key": key });

/** A half of them never ends its headers, a half its body. */
function openSlowly(n: number): (typeof slow)[number] {
  const socket = openRaw(api());
  const one = { socket, openedAt: performance.now(), closedAt: null as number | null };
  socket.resume();
  socket.on("close", () => {
    one.closedAt = performance.now();
  });
  socket.write(
    n % 2 === 0
      ? "POST /api/v1/engines/echo/execute HTTP/1.1\r\nHost: x\r\nX-Slow: "
      : `POST /api/v1/engines/echo/execute HTTP/1.1\r\nHost: x\r\nX-API-Key: ${deployment.planeKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
  );
  return one;
}

describe("K6: what is secret stays where it belongs", () => {
  const secrets: Record<string, string> = {};
  let executionIds: string[] = [];

  beforeAll(async () => {
    const marker = (name: string): string => {
      const value = `${name.replaceAll(" ", "-")}-7f3a9c51d0e84b26`;
      secrets[name] = value;
      return value;
    };
    const [jwtSecret = "", secretKey = ""] = deployment.secrets;
    Object.assign(secrets, { planeKey: deployment.planeKey, jwtSecret, secretKey });

    // Keys: made, used, rerolled with and without overlap, switched off, revoked.
    const made = await plane.keys.create({ name: "program", scopes: ["engines:execute"] });
    const rerolled = await plane.keys.reroll(made.id, { overlap: "1h" });
    const again = await plane.keys.reroll(made.id);
    const revoked = await plane.keys.create({ name: "revoked" });
    const off = await plane.keys.create({ name: "off" });
    await plane.keys.revoke(revoked.id);
    await plane.keys.change(off.id, { is_active: false });
    const unknown = makeKey();
    const keys = { made, rerolled, again, revoked, off, unknown };
    for (const [name, { key }] of Object.entries(keys)) {
      secrets[`${name} key`] = key;
      secrets[`${name} key's secret`] = key.slice(17, -6);
    }
    const token = await deployment.token("alice@example.com");
    const forged = await new SignJWT({ sub: "alice@example.com" })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode("another secret of thirty-two bytes"));
    Object.assign(secrets, { token, forged, subject: "alice@example.com" });
    secrets["token's signature"] = token.split(".")[2]!;

    // Wrong credentials in every place that somebody might put them.
    const path = "/engines/echo/execute";
    const json = { input: 1 };
    for (const { key } of Object.values(keys)) {
      await ask(path, { json, headers: keyHeader(key) });
      await ask(path, { json, headers: keyHeader(`${key}x`) });
      await ask(path, { json, headers: { authorization: `Bearer ${key}` } });
      await ask(`${path}?api_key=${key}`, { json });
      await ask(`/engines/${key}/status`, { headers: keyHeader(deployment.planeKey) });
      await ask("/engines/status", {
        headers: { cookie: `key=${key}`, "x-request-id": key, "user-agent": key, referer: key },
      });
      await ask(`/${key}`, {});
    }
    for (const bad of [forged, `${token}x`, `Basic ${btoa(`user:${marker("password")}`)}`]) {
      await ask(path, { json, headers: { authorization: `Bearer ${bad}` } });
      await ask(path, { json, headers: { authorization: bad } });
      await ask(`/executions?token=${encodeURIComponent(bad)}`, {
        headers: keyHeader(deployment.planeKey),
      });
    }
    secrets["basic"] = btoa(`user:${secrets["password"]}`);
    await ask(path, {
      json,
      headers: { ...keyHeader(again.key), authorization: `Bearer ${token}` },
    });
    // Refused before anything is stored.
    await ask("/engines/sleep/execute", {
      json: { input: { ms: marker("refused input"), [marker("refused name")]: 1 } },
      headers: keyHeader(again.key),
    });
    await ask("/keys", {
      json: { name: "x", secret: marker("refused member") },
      headers: keyHeader(deployment.planeKey),
    });

    // All three callers, through all that http.request may come to.
    const program = deployment.client(0, { apiKey: again.key });
    const frontEnd = deployment.client(0, { token });
    const credentials = {
      headers: {
        authorization: `Bearer ${marker("upstream token")}`,
        "x-api-key": marker("upstream key"),
        cookie: `s=${marker("upstream cookie")}`,
      },
      query: { token: marker("query member") },
    };
    const query = `?key=${marker("query of URL")}`;
    const calls = [
      { url: `${upstreamUrl}/fails${query}`, ...credentials },
      { url: `${upstreamUrl}/hangs${query}`, ...credentials, timeout: "200ms" },
      { url: `http://127.0.0.1:1/${query}`, ...credentials },
      { url: `http://no-such-host.invalid/${query}`, ...credentials },
      { url: `http://10.0.0.1/${query}`, ...credentials },
      {
        url: `${upstreamUrl}/${query}`,
        headers: { "x-broken": `${marker("broken header")}\u0001` },
      },
      { url: `${upstreamUrl}/`, method: "POST", json: { password: marker("request body") } },
    ];
    const options = { maxAttempts: 1 };
    const accepted = await Promise.all([
      ...calls.map((input) => plane.execute("http.request", input, options)),
      program.execute("http.request", calls[0], options),
      frontEnd.execute("http.request", calls[0], options),
      // Data that an engine cannot work with: its error must not tell it.
      plane.execute("transform.jsonata", {
        expression: "$number(password)",
        data: { password: marker("data of an expression") },
      }),
      plane.execute("validate.json-schema", {
        schema: { type: "integer", enum: [1], pattern: "^x" },
        data: marker("data of a schema"),
      }),
      plane.execute("analyze.table", { csv: `a,b\n"${marker("cell of a table")}` }),
    ]);
    executionIds = accepted.map(({ execution_id }) => execution_id);
    await Promise.all(executionIds.map((id) => plane.wait(id)));

    // An answer tells its address, and so a query's value: the caller's own result, in his own row, like his input.
    const { execution_id: answered } = await plane.execute("http.request", {
      url: `${upstreamUrl}/moves${query}`,
      query: { q: marker("query of an answer") },
      follow_redirects: false,
    });
    await plane.wait(answered);
    // What is written beside the requests: last use, calls, logs.
    await delay(1_500);
  }, 30_000);

  test("each call is on record", async () => {
    const { executions } = await plane.statuses(executionIds);
    expect(executions).toHaveLength(executionIds.length);
    const [first] = executionIds;
    const { calls } = await plane.status(first!, { include: ["calls"] });
    expect(calls).toMatchObject([{ method: "GET", path: "/fails", status: 500 }]);
  });

  test.each([
    [
      "PostgreSQL",
      () => textOfDatabase(database.url, { executions: ["input"] }),
      ["executions", "api_keys", "outbound_calls", "engine_versions"],
      ["query of URL in public.executions", "query of an answer in public.executions"],
    ],
    ["Redis", () => (redisUrl === null ? [] : textOfRedis(redisUrl)), [], []],
    ["the logs", () => processes().map((one) => ({ place: one.name, text: one.text() })), [], []],
    ["the metrics", readMetrics, [], []],
  ])("not in %s", async (_name, read, places, told) => {
    const kept: Kept[] = await read();
    for (const place of places) {
      expect(kept.find((one) => one.place === `public.${place}`)?.text ?? "").not.toBe("");
    }
    expect(findSecrets(kept, secrets)).toEqual(told);
  });

  test("the search would find them", async () => {
    const inputs = await textOfDatabase(database.url);
    expect(findSecrets(inputs, secrets)).toContain("upstream token in public.executions");
  });
});

const processes = () => [...deployment.apis, ...deployment.workers];
async function readMetrics(): Promise<Kept[]> {
  return Promise.all(
    processes().map(async ({ name, metricsUrl }) => ({
      place: name,
      text: (await request(`${metricsUrl}/metrics`)).text,
    })),
  );
}

describe("K8: a refused credential is refused in one way", () => {
  test("whatever is wrong with it", async () => {
    const live = await plane.keys.create({ name: "live" });
    const old = live.key;
    await plane.keys.reroll(live.id);
    const revoked = await plane.keys.create({ name: "revoked" });
    await plane.keys.revoke(revoked.id);
    const expired = await plane.keys.create({
      name: "expired",
      expires_at: "2020-01-01T00:00:00Z",
    });
    const off = await plane.keys.create({ name: "off" });
    await plane.keys.change(off.id, { is_active: false });
    const credentials: Record<string, Record<string, string>> = {
      none: {},
      empty: keyHeader(""),
      malformed: keyHeader("tlk_x"),
      "with a wrong checksum": keyHeader(
        `${live.key.slice(0, -1)}${live.key.endsWith("0") ? 1 : 0}`,
      ),
      unknown: keyHeader(makeKey().key),
      "another secret of a known id": keyHeader(makeKey(live.id).key),
      "the secret before": keyHeader(old),
      revoked: keyHeader(revoked.key),
      expired: keyHeader(expired.key),
      inactive: keyHeader(off.key),
      "almost tl-plane's": keyHeader(`${deployment.planeKey.slice(0, -1)}x`),
      "a wrong token": { authorization: "Bearer a.b.c" },
      "an expired token": {
        authorization: `Bearer ${await deployment.token("bob", { exp: 1 })}x`,
      },
      both: { ...keyHeader(deployment.planeKey), authorization: "Bearer a.b.c" },
    };
    const seen = new Map<string, string>();
    for (const [name, headers] of Object.entries(credentials)) {
      for (const path of [
        "/engines",
        "/keys",
        "/executions/01890000-0000-7000-8000-000000000000",
      ]) {
        const answer = await ask(path, { headers });
        const { request_id: id, ...problem } = answer.json as { request_id: string };
        expect(id).toBe(answer.headers.get("x-request-id"));
        const told = [...answer.headers].filter(([h]) => h !== "date" && h !== "x-request-id");
        seen.set(`${name} at ${path}`, JSON.stringify([answer.status, problem, told]));
      }
    }
    expect(new Set(seen.values()).size).toBe(1);
    expect([...seen.values()][0]).toMatch(/^\[401,/);
  });
});

test("K7: a flood of made-up keys costs no memory that stays, and holds up no good one", async () => {
  const { key } = await plane.keys.create({ name: "good", rate_limit: null });
  const memory = async (): Promise<number> => {
    const [{ text } = { text: "" }] = (await readMetrics()).filter(
      ({ place }) => place === "api 0",
    );
    return Number(/^tl_process_resident_memory_bytes\S* (\S+)$/m.exec(text)?.[1]);
  };
  const before = await memory();
  const wrong = Array.from({ length: 4_000 }, () => makeKey().key);
  const times: number[] = [];
  let flooding = true;
  const good = (async () => {
    while (flooding) {
      const since = performance.now();
      expect((await ask("/engines", { headers: keyHeader(key) })).status).toBe(200);
      times.push(performance.now() - since);
    }
  })();
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let n = lane; n < wrong.length; n += 8) {
        expect((await ask("/engines", { headers: keyHeader(wrong[n]!) })).status).toBe(401);
      }
    }),
  );
  flooding = false;
  await good;
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
  expect(p99).toBeLessThan(500);
  expect((await memory()) - before).toBeLessThan(64 * 1024 * 1024);
});

describe("T6: nothing of one caller's is told to another one", () => {
  test("metrics, errors, status, lists and logs", async () => {
    const markers = {
      input: "tenant-a-input-51d0e84b",
      tag: "tenant-a-tag-51d0e84b",
      metadata: "tenant-a-metadata-51d0e84b",
      idempotency: "tenant-a-idempotency-51d0e84b",
      name: "tenant-a-name-51d0e84b",
    };
    const a = await plane.keys.create({ name: markers.name });
    const b = await plane.keys.create({
      name: "tenant b",
      scopes: [
        "engines:read",
        "engines:execute",
        "executions:read",
        "executions:write",
        "metrics:read",
      ],
    });
    const clientA = deployment.client(0, { apiKey: a.key });
    const more = {
      tags: [markers.tag],
      metadata: { note: markers.metadata },
      idempotencyKey: markers.idempotency,
    };
    const fine = await clientA.execute("echo", { text: markers.input }, more);
    const failed = await clientA.execute("transform.jsonata", {
      expression: "$error($.text)",
      data: { text: markers.input },
    });
    const later = await clientA.execute("echo", markers.input, { delay: "1h" });
    const ids = [fine, failed, later].map(({ execution_id }) => execution_id);
    await Promise.all(ids.slice(0, 2).map((id) => clientA.wait(id)));
    const own = await deployment.client(0, { apiKey: b.key }).execute("echo", 1, {
      idempotencyKey: markers.idempotency.replace("tenant-a", "tenant-b"),
    });

    const as = { headers: keyHeader(b.key) };
    const text = { headers: { ...keyHeader(b.key), accept: "text/plain" } };
    const unknown = "01890000-0000-7000-8000-000000000000";
    const answers = await Promise.all([
      ask("/engines/metrics", as),
      ask("/engines/metrics", text),
      ask("/engines/metrics?engine=echo,transform.jsonata", text),
      ask("/engines/status", as),
      ask("/engines/echo/status", as),
      ask("/engines", as),
      ask("/engines/echo", as),
      ask("/executions", as),
      ask(`/executions?tag=tenant-a-tag&include=input,output,calls,attempts`, as),
      ask(`/executions/${own.execution_id}?include=input,attempts,calls`, as),
      ask(`/engines/status?execution_id=${unknown},${own.execution_id}`, as),
      ask("/keys", as),
      ask(`/executions/${unknown}/cancel`, { ...as, method: "POST" }),
      ask("/engines/echo/execute", { ...as, json: { input: 1, nonsense: 1 } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403, 404, 422,
    ]);
    const told: Kept[] = answers.map((answer, n) => ({
      place: `answer ${n}`,
      text: JSON.stringify([answer.text, ...answer.headers]),
    }));
    const theirs = { ...markers, keyId: a.id, key: a.key };
    for (const [n, id] of ids.entries()) Object.assign(theirs, { [`id ${n}`]: id });
    expect(findSecrets([...told, ...(await readMetrics())], theirs)).toEqual([]);

    // B asks for A's own: the answers name no more than the question did.
    for (const id of ids) {
      for (const path of [`/executions/${id}`, `/engines/echo/status?execution_id=${id}`]) {
        const { status, text: body } = await ask(
          `${path}${path.includes("?") ? "&" : "?"}wait=1`,
          as,
        );
        expect(status).toBe(404);
        expect(body).not.toContain(id);
      }
    }
    // A log line is about one caller.
    const lines = deployment.apis[0]!.text().split("\n");
    const aboutB = lines.filter((line) => line.includes(`"key:${b.id}"`));
    expect(aboutB.length).toBeGreaterThan(10);
    expect(aboutB.filter((line) => line.includes(a.id))).toEqual([]);
    const logs = processes().map((one) => ({ place: one.name, text: one.text() }));
    expect(
      findSecrets(logs, { ...markers, key: a.key }).filter((found) => !found.startsWith("input")),
    ).toEqual([]);
  });
});

describe("one connection, many callers", () => {
  const get = (path: string, header: string): string =>
    `GET /api/v1${path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`;

  test("pipelined requests of two callers get each their own answer, in order", async () => {
    const a = await plane.keys.create({ name: "a" });
    const token = await deployment.token("carol");
    const ofA = await deployment.client(0, { apiKey: a.key }).execute("sleep", { ms: 600 });
    const ofC = await deployment.client(0, { token }).execute("echo", 1);
    const [keyA, tokenC] = [`X-API-Key: ${a.key}`, `Authorization: Bearer ${token}`];
    const text = await sendRaw(
      api(),
      [
        get(`/executions/${ofA.execution_id}?wait=5`, keyA),
        get(`/executions/${ofC.execution_id}`, tokenC),
        get(`/executions/${ofA.execution_id}`, tokenC),
        get("/executions", ""),
        get(`/executions/${ofC.execution_id}`, keyA),
        get("/executions", keyA),
        get("/executions", `${tokenC}\r\nConnection: close`),
      ].join(""),
    );
    const answers = readAnswers(text);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 401, 404, 200, 200]);
    const bodies = answers.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    expect(bodies[0]).toMatchObject({ execution_id: ofA.execution_id, status: "succeeded" });
    expect(bodies[1]).toMatchObject({ execution_id: ofC.execution_id });
    expect(bodies[5]).toMatchObject({ executions: [{ execution_id: ofA.execution_id }] });
    expect(bodies[6]).toMatchObject({ executions: [{ execution_id: ofC.execution_id }] });
    for (const { head } of answers) {
      expect(head).toMatch(/^cache-control: (no-store|private, no-cache)\r?$/im);
      expect(head).toMatch(/^vary: .*authorization, x-api-key/im);
    }
  });

  /** Answered with 404, which nothing else here is. */
  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const post = (headers: string, body: string): string =>
    `POST /api/v1/engines/echo/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
  test.each([
    [
      "TE with a tab",
      post("Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    [
      "TE before CL",
      post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", `0\r\n\r\n${smuggled}`),
    ],
    ["another TE", post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${smuggled}`)],
    [
      "TE of identity",
      post("Transfer-Encoding: identity\r\nContent-Length: 4\r\n", `null${smuggled}`),
    ],
    [
      "TE with a vertical tab",
      post("Transfer-Encoding: \u000bchunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    ["TE in quotes", post('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${smuggled}`)],
    [
      "TE twice",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", `0\r\n\r\n${smuggled}`),
    ],
    [
      "TE with a space before the colon",
      post("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    ["a length in hex", post("Content-Length: 0x4\r\n", `null${smuggled}`)],
    ["a length of two", post("Content-Length: 4, 4\r\n", `null${smuggled}`)],
    ["a negative length", post("Content-Length: -1\r\n", smuggled)],
    [
      "a length beyond 64 bits",
      post("Content-Length: 18446744073709551620\r\n", `null${smuggled}`),
    ],
    [
      "a chunk's size with 0x",
      post("Transfer-Encoding: chunked\r\n", `0x4\r\nnull\r\n0\r\n\r\n${smuggled}`),
    ],
    [
      "a chunk's size beyond 64 bits",
      post("Transfer-Encoding: chunked\r\n", `10000000000000004\r\nnull\r\n0\r\n\r\n${smuggled}`),
    ],
    [
      "a chunk that ends with LF",
      post("Transfer-Encoding: chunked\r\n", `4\nnull\n0\n\n${smuggled}`),
    ],
    [
      "a chunk longer than it says",
      post("Transfer-Encoding: chunked\r\n", `2\r\nnull\r\n0\r\n\r\n${smuggled}`),
    ],
    [
      "a chunk extension with LF",
      post("Transfer-Encoding: chunked\r\n", `4;a\nb\r\nnull\r\n0\r\n\r\n${smuggled}`),
    ],
    ["a line folded", post("X: a\r\n Content-Length: 4\r\n", smuggled)],
    ["a lone CR", post("X: a\rContent-Length: 4\r\n", smuggled)],
    ["LF alone", smuggled.replaceAll("\r\n", "\n")],
    [
      "a line break in the target",
      `GET /healthz HTTP/1.1\r\nX: y HTTP/1.1\r\n Host: x\r\n\r\n${smuggled}`,
    ],
  ])(
    "nothing is smuggled: %s",
    async (_name, text) => {
      const answer = await sendRaw(api(), text);
      // Refused, and the connection is over: what came behind was not read as a request.
      for (const { status } of readAnswers(answer)) expect([400, 401]).toContain(status);
      if (answer !== "") expect(readAnswers(answer).at(-1)?.head).toMatch(/^connection: close/im);
    },
    15_000,
  );

  test("a body that nobody read is not the next request", async () => {
    const inner = get("/keys", `X-API-Key: ${deployment.planeKey}`);
    const text = await sendRaw(
      api(),
      // Refused before the body is read: 401, 404 and 405.
      post(`Content-Length: ${inner.length}\r\n`, inner) +
        `POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}` +
        `POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}` +
        `GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}` +
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    expect(readAnswers(text).map(({ status }) => status)).toEqual([401, 404, 405, 200, 200]);
  });
});

test("nothing is injected into logs and headers", async () => {
  const odd = "%0d%0aX-Injected:%20yes%0d%0a%1b[31m";
  const before = deployment.apis[0]!.text().length;
  const answers = await Promise.all(
    [
      `GET /api/v1/engines/${odd}/status HTTP/1.1\r\nHost: x\r\nX-API-Key: ${deployment.planeKey}\r\n`,
      `GET /${odd} HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\u001b[31m\r\n`,
      `GET /api/v1/engines?${odd} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${deployment.planeKey}\r\nX-Request-Id: "},{"level":"fatal\r\n`,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: \u00e4\u0085\r\nOrigin: https://evil.example\u0085\r\n`,
      `GET /\u001b[31m\u0085 HTTP/1.1\r\nHost: x\r\n`,
      `GET /healthz HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n`,
      `M-SEARCH /api/v1/engines HTTP/1.1\r\nHost: x\r\n`,
    ].map((head) => sendRaw(api(), Buffer.from(`${head}Connection: close\r\n\r\n`, "latin1"))),
  );
  for (const answer of answers) {
    const head = answer.slice(0, answer.indexOf("\r\n\r\n"));
    expect(head).not.toMatch(
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      /x-injected|evil|[\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u00ff]/i,
    );
    expect(head).toMatch(/^x-request-id: [A-Za-z0-9._:-]{1,128}\r?$/im);
    expect(answer).not.toContain("\u001b");
  }
  // An address in an answer is a path of ours, whatever Host says.
  const accepted = await sendRaw(
    api(),
    `POST /api/v1/engines/echo/execute HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Proto: https\r\nX-API-Key: ${deployment.planeKey}\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{"input":1}`,
  );
  expect(accepted).toMatch(/^location: \/api\/v1\/executions\/[0-9a-f-]{36}\r?$/im);
  expect(accepted).not.toContain("evil");
  const said = deployment.apis[0]!.text().slice(before);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|injected|evil|M-SEARCH/i);
  for (const line of said.split("\n").filter(Boolean))
    expect(JSON.parse(line)).toHaveProperty("msg");
});

test("B10: no origin is let in but the one that is configured, and nothing is kept for another", async () => {
  for (const other of [
    "https://evil.example",
    "null",
    `${origin}.evil.example`,
    `${origin}:8443`,
    origin.replace("https", "http"),
    origin.toUpperCase(),
    `${origin}/`,
    `${origin}, https://evil.example`,
    "*",
  ]) {
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await ask("/engines", {
        method,
        headers: {
          origin: other,
          "access-control-request-method": "GET",
          ...keyHeader(deployment.planeKey),
        },
      });
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(headers.get("vary")?.toLowerCase()).toContain("origin");
    }
  }
  const good = await ask("/engines", { headers: { origin, ...keyHeader(deployment.planeKey) } });
  expect(good.headers.get("access-control-allow-origin")).toBe(origin);
  expect(good.headers.get("access-control-allow-credentials")).toBeNull();
  expect(good.headers.get("cache-control")).toBe("no-store");
});

describe("what callers send is data", () => {
  const hostile = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":1}}}',
  ) as object;

  test("__proto__ and its like change nothing in any process", async () => {
    expect(JSON.stringify(await plane.run("echo", hostile))).toBe(JSON.stringify(hostile));
    const outcomes = await Promise.allSettled([
      plane.run("transform.jsonata", { expression: "$merge([$, {'b': 1}])", data: hostile }),
      plane.run("transform.jsonata", {
        expression: "$ ~> |$|{'__proto__': {'polluted': 1}}|",
        data: hostile,
      }),
      plane.run("transform.jsonata", { expression: "{'__proto__': {'polluted': 1}}" }),
      plane.run("transform.jsonata", { expression: "$x", bindings: { x: hostile } }),
      plane.run("transform.jsonata", {
        expression: "1",
        bindings: JSON.parse('{"__proto__":{"x":1}}'),
      }),
      plane.run("validate.json-schema", {
        schema: JSON.parse(
          '{"properties":{"__proto__":{"default":{"polluted":1}}},"$defs":{"__proto__":{}},"required":["__proto__","constructor"]}',
        ),
        data: hostile,
      }),
      plane.run("analyze.table", { csv: "__proto__,constructor,toString,a\n1,2,3,4\n5,6,7,8" }),
      plane.run("analyze.table", {
        rows: [hostile, JSON.parse('{"__proto__":1,"hasOwnProperty":2}')],
      }),
      plane.run("http.request", {
        url: `${upstreamUrl}/`,
        headers: JSON.parse('{"__proto__":"x"}'),
      }),
      plane.run("http.request", { url: `${upstreamUrl}/`, headers: { constructor: "x" } }),
      plane.run("http.request", { url: `${upstreamUrl}/`, query: JSON.parse('{"__proto__":"x"}') }),
    ]);
    // The processes still work, and no engine sees an object's prototype changed.
    for (const engine of ["surroundings", "surroundings.thread"]) {
      expect(await plane.run(engine, {})).toMatchObject({ polluted: [] });
    }
    const table = outcomes[6] as PromiseFulfilledResult<{ columns: { name: string }[] }>;
    expect(table.value.columns.map(({ name }) => name)).toEqual([
      "__proto__",
      "constructor",
      "toString",
      "a",
    ]);
    expect(outcomes[9]).toMatchObject({ status: "fulfilled", value: { status: 200 } });
  });

  test.each(["__proto__", "constructor", "tostring", "hasownproperty", "valueof"])(
    "an engine named %s is none",
    async (name) => {
      for (const path of [`/engines/${name}`, `/engines/${name}/status`]) {
        const answer = await ask(path, { headers: keyHeader(deployment.planeKey) });
        expect([answer.status, answer.json.code]).toEqual([404, "engine_not_found"]);
      }
      const answer = await ask("/engines/execute", {
        json: { engine: name, input: 1 },
        headers: keyHeader(deployment.planeKey),
      });
      expect([404, 422]).toContain(answer.status);
    },
  );

  test.each([
    "$string.constructor",
    "$sum.constructor.constructor('return process')()",
    "($f := function($x){$x}; $f.constructor.constructor('return globalThis')())",
    "$lookup($string, 'constructor')",
    "$lookup($, 'constructor')",
    "$lookup({}, '__proto__')",
    "{}.constructor.constructor('return process')()",
    "$.__proto__.polluted",
    "$eval('$string.constructor')",
    "$globalThis",
    "$window",
    "$process",
    "$require('fs')",
    "$outside",
    "$now.constructor",
    "$match.implementation",
    "$string.implementation.constructor('return 1')()",
    "$sift($string, function($v, $k){$k = 'constructor'})",
    "$keys($string)",
    "$spread($string)",
    "$each($string, function($v,$k){$k})",
    "$clone.environment",
    "($f := function(){1}; $f.environment)",
    "($f := function(){1}; $f.body)",
    "($f := function($x){$x}; $merge([$f]))",
    "$string(function(){1})",
    "$eval('1', $string).constructor",
  ])("an expression finds no way out: %s", async (expression) => {
    const done = await plane.wait(
      (await plane.execute("transform.jsonata", { expression, data: {} })).execution_id,
    );
    const told = JSON.stringify([done.output, done.error]);
    expect(told).not.toMatch(
      /"pid"|execPath|native code|\[object|prototype|file:\/\/|node_modules/,
    );
    expect(done.error?.code ?? "none").toMatch(
      /^(none|engine_error|input_invalid|output_invalid)$/,
    );
  });

  test("E2: a caller's pattern that never ends delays nobody else", async () => {
    const text = "a".repeat(60);
    const stuck = await Promise.all([
      plane.execute(
        "validate.json-schema",
        { schema: { pattern: "^(a+)+$" }, data: `${text}!` },
        { timeout: "1500ms", maxAttempts: 1 },
      ),
      plane.execute(
        "transform.jsonata",
        { expression: "$match(t, /^(a+)+$/)", data: { t: `${text}!` } },
        { timeout: "1500ms", maxAttempts: 1 },
      ),
    ]);
    const since = performance.now();
    const times: number[] = [];
    while (performance.now() - since < 1_500) {
      const from = performance.now();
      expect(await plane.run("echo", 1)).toBe(1);
      times.push(performance.now() - from);
    }
    const done = await Promise.all(stuck.map(({ execution_id: id }) => plane.wait(id)));
    for (const { error } of done) expect(error?.code).toBe("timeout");
    expect(times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]).toBeLessThan(250);
    // And their threads are free again.
    expect(await plane.run("validate.json-schema", { schema: true, data: 1 })).toMatchObject({
      valid: true,
    });
  });
});

test("engines see nothing of what configures tl-engine", async () => {
  for (const engine of ["surroundings", "surroundings.thread"]) {
    const { environment } = (await plane.run(engine, {})) as { environment: object };
    expect(
      Object.keys(environment).filter((name) => /^(TL_|PG|DATABASE_URL|REDIS)/.test(name)),
    ).toEqual([]);
    expect(
      findSecrets([{ place: "the environment", text: JSON.stringify(environment) }], {
        database: database.url,
        planeKey: deployment.planeKey,
        ...Object.fromEntries(deployment.secrets.entries()),
      }),
    ).toEqual([]);
  }
});

test("B7: slow clients are cut within 15 s, and meanwhile others are served", async () => {
  expect(slow).toHaveLength(300);
  const times: number[] = [];
  while (slow.some(({ closedAt }) => closedAt === null)) {
    const since = performance.now();
    expect((await ask("/engines", { headers: keyHeader(deployment.planeKey) })).status).toBe(200);
    times.push(performance.now() - since);
    expect(since - slow[0]!.openedAt).toBeLessThan(20_000);
    await delay(20);
  }
  for (const { openedAt, closedAt } of slow) expect(closedAt! - openedAt).toBeLessThan(17_000);
  for (const ms of times) expect(ms).toBeLessThan(1_000);
}, 30_000);
