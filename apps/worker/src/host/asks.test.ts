import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { pathToFileURL } from "node:url";
import type { Admitted, Connection } from "@tl-engine/outbound";
import { OutboundRefusedError, ParkedError, UpstreamError } from "@tl-engine/outbound/errors";
import { silentLog } from "@tl-engine/shared/log/log.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startPeer, type Peer } from "../testing/peer.ts";
import type { AskPorts, Push } from "./answering.ts";
import { describeEngines, type DescribedEngine } from "./describe-engines.ts";
import { createHosts, type HostedRun, type Hosts, type RunRequest } from "./hosts.ts";

const resolveFrom = pathToFileURL(`${process.cwd()}/`).href;
const modules = [
  {
    url: new URL("../testing/engines/calling.ts", import.meta.url).href,
    source: "calling",
  },
];
const places = ["", ".thread", ".process"];

let described: DescribedEngine[] = [];
let peer: Peer;
let hosts: Hosts;
/** What the worker's side was asked and told, in order. */
let asked: string[];
let connection: Connection;
let ports: AskPorts<RunRequest>;
let tell: (push: Push) => void;
let hearAsked: (what: string) => void;
let held: ServerResponse[];
let lines: string[];
let errors: unknown[];

beforeEach(async () => {
  if (described.length === 0) described = await describeEngines(modules, { resolveFrom, env: {} });
  held = [];
  peer = await startPeer((request, response) => {
    if (request.url?.includes("hold") === true) held.push(response);
    else response.writeHead(request.url?.includes("500") === true ? 500 : 200).end("{}");
  });
  asked = [];
  hearAsked = () => undefined;
  lines = [];
  errors = [];
  connection = {
    id: "crm",
    kind: "http",
    revision: 1,
    baseUrl: `${peer.origin}/v2`,
    headers: {},
    auth: { type: "bearer", token: "s3cret" },
    tls: { ca: null, certificate: null, privateKey: null },
    timeouts: { connectMs: 5_000, firstByteMs: 30_000, totalMs: 30_000 },
    retry: { maxRetries: 0, initialMs: 1, maxMs: 1, maxRetryAfterMs: 60_000 },
    methods: null,
    paths: null,
    concurrency: null,
    rate: null,
    breaker: { failures: 5, ratio: 0.5, windowMs: 10_000, openMs: 1_000, maxOpenMs: 60_000 },
    log: { bodies: false, maxBodyBytes: 4_096 },
  };
  const watching = new Set<(push: Push) => void>();
  tell = (push) => {
    for (const one of watching) one(push);
  };
  const note = (what: string): void => {
    asked.push(what);
    hearAsked(what);
  };
  ports = {
    async connection(run, named) {
      note(`connection ${named.connection} ${named.protocol} ${run.callerId}`);
      return { connection, freshMs: 60_000, isClosed: true };
    },
    async enter(_, named) {
      note(`enter ${named.connection}`);
      return { breakerState: "half_open", leave: (outcome) => note(`leave ${outcome}`) };
    },
    async token(_, named, stale) {
      note(`token ${named.connection} ${stale}`);
      return stale === null ? "first" : "second";
    },
    called: (_, named, outcome) => note(`called ${named.connection} ${outcome}`),
    watch(one) {
      watching.add(one);
      return () => void watching.delete(one);
    },
    onError: (error) => errors.push(error),
  };
  hosts = createHosts({
    engines: described.map(({ module, descriptor }) => ({
      engineId: descriptor.id,
      version: descriptor.version,
      module,
      isolation: descriptor.policy.isolation,
      uses: descriptor.policy.uses,
      memoryMib: descriptor.policy.memory_mib,
      hosts: 2,
      spareProcesses: 2,
    })),
    spec: { resolveFrom, outboundAllow: peer.host, maxOutputBytes: 1024 * 1024 },
    env: {},
    graceMs: 400,
    log: silentLog,
    voices: {
      log: (_, __, message) => lines.push(message),
      progress: () => {},
      call: () => {},
    },
    // By the test's own, also when it puts another one there.
    ports: {
      connection: (...rest) => ports.connection(...rest),
      enter: (...rest) => ports.enter(...rest),
      token: (...rest) => ports.token(...rest),
      called: (...rest) => ports.called(...rest),
      watch: (one) => ports.watch(one),
      onError: (error) => ports.onError(error),
    },
    onReplaced: () => {},
  });
});

afterEach(async () => {
  await hosts.close();
  await peer.close();
});

let lastId = 0;
function run(engineId: string, input: object = {}, callerId = "key:abc"): HostedRun {
  const engine = hosts.engines.find((one) => one.engineId === engineId);
  if (engine === undefined) throw new Error(`no engine ${engineId}`);
  lastId += 1;
  return hosts.run({
    engine,
    executionId: `execution-${lastId}`,
    callerId,
    attempt: 1,
    dispatch: 1,
    inputText: JSON.stringify(input),
    traceparent: null,
    timeoutMs: 30_000,
    alone: null,
  });
}

async function outputOf(hosted: HostedRun): Promise<unknown> {
  const end = await hosted.ended;
  if (end.kind !== "returned") throw new Error(`it ended otherwise: ${JSON.stringify(end)}`);
  return JSON.parse(end.outputText) as unknown;
}

async function failureOf(hosted: HostedRun) {
  const end = await hosted.ended;
  if (end.kind !== "threw") throw new Error(`it ended otherwise: ${JSON.stringify(end)}`);
  return end.failure;
}

/** Resolves once so much of this was asked. */
function untilAsked(what: string, times = 1): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (asked.filter((one) => one === what).length >= times) resolve();
    };
    hearAsked = look;
    look();
  });
}

describe.each(places)("in a host%s", (place) => {
  const engine = `test.call${place}`;

  test("a connection is asked for once, and its calls go out with its credentials", async () => {
    expect(await outputOf(run(engine, { connection: "crm", path: "/a", times: 3 }))).toEqual({
      statuses: [200, 200, 200],
    });
    await outputOf(run(engine, { connection: "crm", path: "/b" }));
    expect(peer.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ["/v2/a", "Bearer s3cret"],
      ["/v2/a", "Bearer s3cret"],
      ["/v2/a", "Bearer s3cret"],
      ["/v2/b", "Bearer s3cret"],
    ]);
    // The calls themselves ask for nothing; what came of them is told behind them.
    const called = "called crm success";
    expect(asked).toEqual(["connection crm http key:abc", called, called, called, called]);
  });

  test("no word goes back and forth for what uses no connection", async () => {
    await outputOf(run(engine, { path: `${peer.origin}/a` }));
    expect(peer.requests).toHaveLength(1);
    expect(asked).toEqual([]);
  });

  test("a refusal comes out as the door's own, and nothing is sent", async () => {
    ports.connection = () => Promise.reject(new OutboundRefusedError("not for you"));
    expect(await failureOf(run(engine, { connection: "crm" }))).toEqual({
      code: "outbound_refused",
      detail: "not for you",
      retryable: false,
    });
    expect(peer.requests).toEqual([]);
  });

  test("a circuit that opens is asked about before each call, and an open one parks", async () => {
    await outputOf(run(engine, { connection: "crm" }));
    tell({ kind: "circuit", connection: "crm", isClosed: false });
    await outputOf(run(engine, { connection: "crm" }));
    expect(asked.slice(-2)).toEqual(["enter crm", "leave success"]);
    const park = { reason: "circuit_open", delayMs: null, blockedBy: "connection:crm" } as const;
    ports.enter = () => Promise.reject(new ParkedError("crm is away", park));
    expect(await failureOf(run(engine, { connection: "crm" }))).toMatchObject({
      code: "upstream_error",
      retryable: true,
      park,
    });
    tell({ kind: "circuit", connection: "crm", isClosed: true });
    await outputOf(run(engine, { connection: "crm" }));
    expect(asked.at(-1)).toBe("called crm success");
    expect(peer.requests).toHaveLength(3);
  });

  test("places go back: by the call's end, and with the end of whatever held them", async () => {
    connection = { ...connection, concurrency: 1 };
    await outputOf(run(engine, { connection: "crm" }));
    expect(asked.slice(-2)).toEqual(["enter crm", "leave success"]);
    const failed = run(engine, { connection: "crm", path: "/500" });
    expect((await failed.ended).kind).toBe("threw");
    expect(asked.slice(-2)).toEqual(["enter crm", "leave failure"]);

    const canceled = run(engine, { connection: "crm", path: "/hold" });
    await untilAsked("enter crm", 3);
    canceled.abort("canceled");
    await canceled.ended;
    expect(asked.at(-1)).toBe("leave ignored");
  });

  test("who waits for a place stops waiting when its run is aborted", async () => {
    connection = { ...connection, concurrency: 1 };
    const aborted = Promise.withResolvers<unknown>();
    ports.enter = (_, __, signal) => {
      asked.push("waits");
      hearAsked("waits");
      signal.addEventListener("abort", aborted.resolve);
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    };
    const waiting = run(engine, { connection: "crm" });
    await untilAsked("waits");
    waiting.abort("canceled");
    expect((await waiting.ended).kind).toBe("threw");
    await aborted.promise;
    expect(peer.requests).toEqual([]);
  });

  test("a call that has no more time gives its wait up; its run goes on", async () => {
    connection = { ...connection, concurrency: 1 };
    // So that the door is open and the connection known: what the call waits for is its place.
    await outputOf(run(engine, { connection: "crm" }));
    const waits: AbortSignal[] = [];
    ports.enter = async (_, __, signal) => {
      waits.push(signal);
      if (waits.length === 1) await once(signal, "abort");
      return { breakerState: "closed", leave: (outcome) => asked.push(`leave ${outcome}`) };
    };
    const input = { connection: "crm", impatient: "500ms" };
    expect(await outputOf(run(engine, input))).toEqual({ statuses: [200] });
    expect(waits.map(({ aborted }) => aborted)).toEqual([true, false]);
    // What came too late went straight back.
    expect(asked.slice(-2)).toEqual(["leave ignored", "leave success"]);
    expect(peer.requests).toHaveLength(2);
  });

  test("a place that is given to a run that has ended goes straight back", async () => {
    connection = { ...connection, concurrency: 1 };
    const given = Promise.withResolvers<Admitted>();
    ports.enter = () => {
      asked.push("waits");
      hearAsked("waits");
      return given.promise;
    };
    const waiting = run(engine, { connection: "crm" });
    await untilAsked("waits");
    waiting.abort("canceled");
    await waiting.ended;
    const left = new Promise((resolve) =>
      given.resolve({ breakerState: "closed", leave: resolve }),
    );
    expect(await left).toBe("ignored");
  });

  test("what fails in the worker is told there, and the engine hears no word of it", async () => {
    const fault = new Error("password authentication failed for user tl");
    ports.connection = () => Promise.reject(fault);
    const failure = await failureOf(run(engine, { connection: "crm" }));
    expect(failure).toMatchObject({ code: "connection_failed", retryable: true });
    expect(failure.detail).not.toContain("password");
    expect(errors).toEqual([fault]);
  });

  test("a change is heard of: what was known is asked for again", async () => {
    await outputOf(run(engine, { connection: "crm" }));
    connection = { ...connection, revision: 2, auth: { type: "bearer", token: "newer" } };
    tell({ kind: "connection_changed", connection: "other" });
    await outputOf(run(engine, { connection: "crm" }));
    tell({ kind: "connection_changed", connection: "crm" });
    await outputOf(run(engine, { connection: "crm" }));
    tell({ kind: "connection_changed", connection: null });
    await outputOf(run(engine, { connection: "crm" }));
    expect(peer.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer s3cret",
      "Bearer s3cret",
      "Bearer newer",
      "Bearer newer",
    ]);
    expect(asked.filter((one) => one.startsWith("connection"))).toHaveLength(3);
  });

  test("a client that is kept for long ends with the right to use it", async () => {
    const long = run(engine, { connection: "crm", rounds: 1_000_000 });
    await untilAsked("called crm success", 10);
    ports.connection = () => Promise.reject(new OutboundRefusedError("no longer"));
    tell({ kind: "connection_changed", connection: "crm" });
    expect(await failureOf(long)).toMatchObject({ code: "outbound_refused", detail: "no longer" });
  });

  test("a call that is tried again and again ends with it, too", async () => {
    connection = {
      ...connection,
      retry: { maxRetries: 1_000_000, initialMs: 1, maxMs: 1, maxRetryAfterMs: 60_000 },
    };
    const long = run(engine, { connection: "crm", path: "/500" });
    await untilAsked("called crm failure", 10);
    ports.connection = () => Promise.reject(new OutboundRefusedError("no longer"));
    tell({ kind: "connection_changed", connection: "crm" });
    expect(await failureOf(long)).toMatchObject({ code: "outbound_refused", detail: "no longer" });
  });

  test("tokens are the worker's", async () => {
    connection = { ...connection, auth: oauth };
    await outputOf(run(engine, { connection: "crm" }));
    expect(asked).toContain("token crm null");
    expect(peer.requests[0]?.headers.authorization).toBe("Bearer first");
    ports.token = () =>
      Promise.reject(
        new UpstreamError("the token endpoint answered 400", { retryable: false, status: 400 }),
      );
    expect(await failureOf(run(engine, { connection: "crm" }))).toMatchObject({
      code: "upstream_error",
      retryable: false,
      details: { status: 400 },
    });
  });
});

test.each(["test.call.thread", "test.call.process"])(
  "a host of %s that dies while it asks and holds places leaves nothing behind",
  async (engine) => {
    connection = { ...connection, concurrency: 10 };
    const left: string[] = [];
    const waits = Promise.withResolvers<unknown>();
    let entered = 0;
    ports.enter = (_, __, signal) => {
      entered += 1;
      if (entered <= 2) {
        return Promise.resolve({
          breakerState: "half_open",
          leave: (outcome) => left.push(outcome),
        });
      }
      signal.addEventListener("abort", waits.resolve);
      return new Promise(() => {});
    };
    const doomed = run(engine, { connection: "crm", path: "/hold", times: 3 });
    await expect.poll(() => held.length).toBe(2);
    await hosts.close();
    await waits.promise;
    expect(left).toEqual(["ignored", "ignored"]);
    expect((await doomed.ended).kind).toBe("cut_off");
  },
);

test("what one may use, another one of the same host has to ask for itself", async () => {
  await outputOf(run("test.call", { connection: "crm" }, "key:abc"));
  ports.connection = (run, named) =>
    Promise.reject(
      new OutboundRefusedError(`${named.connection} ${run.callerId} ${run.engine.engineId}`),
    );
  await outputOf(run("test.call", { connection: "crm" }, "key:abc"));
  expect(await failureOf(run("test.call", { connection: "crm" }, "plane"))).toMatchObject({
    detail: "crm plane test.call",
  });
  expect(await failureOf(run("test.call.crm", {}, "key:abc"))).toMatchObject({
    detail: "crm key:abc test.call.crm",
  });
  expect(peer.requests).toHaveLength(2);
});

test("what an execution left behind asks for nothing once it is over", async () => {
  const given = Promise.withResolvers<never>();
  ports.connection = (_, __, signal) => {
    asked.push("connection");
    hearAsked("connection");
    signal.addEventListener("abort", () => given.reject(new Error("dropped")));
    return given.promise;
  };
  expect(await outputOf(run("test.call.careless", { connection: "crm" }))).toEqual({
    statuses: [],
  });
  await expect(given.promise).rejects.toThrow("dropped");
  expect(errors).toEqual([]);
});

test("many more calls than places under way at once are all made", async () => {
  connection = { ...connection, concurrency: 10_000 };
  let inside = 0;
  let most = 0;
  ports.enter = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
    return { breakerState: "closed", leave: () => undefined };
  };
  const { statuses } = (await outputOf(run("test.call", { connection: "crm", times: 700 }))) as {
    statuses: number[];
  };
  expect(statuses).toHaveLength(700);
  expect(most).toBeLessThanOrEqual(256);
  expect(most).toBeGreaterThan(1);
});

const oauth: Connection["auth"] = {
  type: "oauth2_client_credentials",
  tokenUrl: "https://login.example/token",
  clientId: "id",
  clientAuth: "basic",
  clientSecret: "x",
  privateKey: null,
  keyId: null,
  algorithm: null,
  scope: null,
  audience: null,
};
