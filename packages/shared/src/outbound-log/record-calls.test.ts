import { randomBytes, randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { createSecretBox } from "../secrets/secret-box.ts";
import { cuttable } from "../testing/cuttable.ts";
import { newExecution, openStack } from "../testing/stack.ts";
import { toldCall } from "../testing/told-call.ts";
import type { Whose } from "./call-row.ts";
import type { ToldCall } from "./told-call.ts";
import {
  createCallRecorder,
  recorderLimits,
  type CallRecorder,
  type CallRecorderOptions,
} from "./record-calls.ts";
import { resendContext } from "./seal-resend.ts";

const mine: Whose = { callerId: "key:one", engineId: "sync" };
let database: FreshDatabase;
let db: Database;
let errors: unknown[] = [];
let lines: Record<string, unknown>[] = [];
const recorders: CallRecorder[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({ url: database.url, max: 3, applicationName: "t", onError: () => undefined });
});
beforeEach(async () => {
  errors = [];
  lines = [];
  await db.pool.query("TRUNCATE outbound_calls");
});
afterEach(async () => {
  await Promise.all(recorders.splice(0).map((recorder) => recorder.close(0)));
});
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
});

function recorderOf(over: Partial<CallRecorderOptions> = {}): CallRecorder {
  const recorder = createCallRecorder({
    pool: db.pool,
    now: () => Date.now(),
    onError: (error) => void errors.push(error),
    log: { warn: (line: Record<string, unknown>) => void lines.push(line) },
    seal: null,
    ...over,
  });
  recorders.push(recorder);
  return recorder;
}

async function rows(): Promise<Record<string, unknown>[]> {
  return (await db.pool.query("SELECT * FROM outbound_calls ORDER BY id")).rows;
}

describe("a call", () => {
  test("has its caller, its engine and an id that goes by the time of its start", async () => {
    // This machine's clock is an hour ahead of Postgres'.
    const hour = 3_600_000;
    const told = Date.now() - 5_000;
    const before = Date.now();
    const recorder = recorderOf({ now: () => Date.now() - hour });
    await recorder.record(toldCall({ started_at: new Date(told).toISOString() }), mine);
    const took = Date.now() - before;
    const [row] = await rows();
    expect(row).toMatchObject({
      caller_id: "key:one",
      engine_id: "sync",
      purpose: "engine",
      dns_ms: 1,
      first_byte_ms: 4,
      request_headers: { accept: "*/*" },
    });
    const startedMs = Number(row?.["started_at"]);
    expect(startedMs).toBeGreaterThanOrEqual(told - hour - took);
    expect(startedMs).toBeLessThanOrEqual(told - hour + took);
    const idMs = Number.parseInt(String(row?.["call_id"]).replace("-", "").slice(0, 12), 16);
    expect(idMs).toBe(startedMs);
  });

  test("told after its run has ended is its execution's caller's", async () => {
    const stack = await openStack({ databaseUrl: database.url, redisUrl: null });
    const execution = newExecution({ callerId: "key:late", engineId: "slow" });
    await stack.submitter.submit(execution);
    await recorderOf().record(toldCall({ execution_id: execution.id }), null);
    await recorderOf().record(toldCall(), null);
    await stack.close();
    expect(await rows()).toMatchObject([
      { caller_id: "key:late", engine_id: "slow" },
      { caller_id: null, engine_id: null },
    ]);
  });

  test("whose members are anything at all is written with what can be kept of it", async () => {
    const wild = {
      execution_id: "'; DROP TABLE outbound_calls; --",
      attempt: Number.NaN,
      dispatch: -5,
      step: "a\u0000b\ud800",
      connection: "x".repeat(500),
      protocol: "FTP ",
      purpose: "constructor",
      method: {},
      host: "user:hunter2@evil.example/path?token=hunter2",
      path: `/p\u0000?token=hunter2${"y".repeat(9_000)}`,
      status: Number.POSITIVE_INFINITY,
      error_code: 7,
      started_at: "no time",
      duration_ms: -1,
      dns_ms: "fast",
      bytes_sent: 1e300,
      bytes_received: 2 ** 60,
      try: 0,
      breaker_state: "ajar",
      idempotency_key: 4,
      request_headers: ["a"],
      response_headers: { "x\u0000": "\udfff", n: 5, __proto__: "x" },
      request_body: "\u0000\ud800",
      response_body: 5,
      resend: "all of it",
    } as unknown as ToldCall;
    await recorderOf().record(wild, mine);
    await recorderOf().record(null as unknown as ToldCall, mine);
    const written = await rows();
    expect(written).toMatchObject([
      {
        execution_id: "00000000-0000-0000-0000-000000000000",
        step: "a\ufffdb\ufffd",
        protocol: "unknown",
        purpose: "engine",
        method: "",
        host: "evil.example",
        path: "/p\ufffd",
        duration_ms: 0,
        try: 1,
        breaker_state: null,
        request_headers: null,
        request_body: "\ufffd\ufffd",
        resend: null,
      },
    ]);
    expect(JSON.stringify(written)).not.toContain("hunter2");
    expect(lines).toEqual([{ count: 1, reason: "refused" }]);
  });

  test("shows no credential and no query, whatever the door overlooked", async () => {
    const secret = "s3cr3t-value";
    await recorderOf().record(
      toldCall({
        host: `${secret}@api.example.com`,
        path: `/v1?token=${secret}#${secret}`,
        request_headers: {
          Authorization: `Bearer ${secret}`,
          Cookie: secret,
          "X-API-Key": secret,
          "x-amz-security-token": secret,
          "webhook-signature": secret,
          referer: `https://me:${secret}@a.example/x?y=${secret}`,
          "x-note": `Bearer ${secret}`,
        },
        response_headers: { "Set-Cookie": secret, location: `/next?code=${secret}` },
        request_body: `Authorization: Bearer ${secret}`,
      }),
      mine,
    );
    const written = await rows();
    expect(written).toHaveLength(1);
    expect(JSON.stringify(written)).not.toContain(secret);
    expect(written[0]).toMatchObject({ response_headers: { location: "/next?…" } });
  });

  test("has headers and bodies of a bounded size", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, n) => [`h${n}`, "v".repeat(5_000)]),
    );
    await recorderOf().record(
      toldCall({ request_headers: many, request_body: "b".repeat(5_000_000) }),
      mine,
    );
    const [row] = await rows();
    expect(JSON.stringify(row?.["request_headers"]).length).toBeLessThan(10_000);
    expect(String(row?.["request_body"]).length).toBeLessThan(300_000);
  });
});

describe("what it takes to send a call again", () => {
  const box = createSecretBox([randomBytes(32).toString("base64")]);
  const seal = (plain: string, context: string): string => box.seal(plain, context);
  const resend = {
    method: "POST",
    url: "/v1/things?color=red",
    headers: { "content-type": "text/plain" },
    body_base64: Buffer.from("hello").toString("base64"),
  };
  const kept = { connection: "crm", resend };

  test("is sealed, and opens for this call alone", async () => {
    await recorderOf({ seal }).record(toldCall(kept), mine);
    const [row] = await rows();
    expect(row?.["not_resendable"]).toBeNull();
    expect(JSON.stringify(row)).not.toContain("color=red");
    const envelope = row?.["resend"] as string;
    expect(JSON.parse(box.open(envelope, resendContext(row?.["call_id"] as string)))).toEqual(
      resend,
    );
    expect(() => box.open(envelope, resendContext(randomUUID()))).toThrow();
  });

  test.each([
    ["no_secret_key", null, kept],
    ["no_connection", seal, { resend }],
    ["not_kept", seal, { connection: "crm" }],
    ["other_protocol", seal, { ...kept, protocol: "grpc" }],
    ["callback", seal, { ...kept, purpose: "callback" }],
    ["token", seal, { ...kept, purpose: "token" }],
    ["credentials", seal, { ...kept, resend: { ...resend, headers: { "X-Auth-Token": "t" } } }],
    ["credentials", seal, { ...kept, resend: { ...resend, url: "/v1?api_key=k" } }],
    ["too_large", seal, { ...kept, resend: { ...resend, body_base64: "A".repeat(600_000) } }],
  ] as const)("is not kept: %s", async (reason, sealing, over) => {
    await recorderOf({ seal: sealing }).record(toldCall(over), mine);
    expect(await rows()).toMatchObject([{ resend: null, not_resendable: reason }]);
  });
});

test("one that Postgres does not take goes alone", async () => {
  await db.pool.query(
    "ALTER TABLE outbound_calls ADD CONSTRAINT test_refused CHECK (method <> 'BAD')",
  );
  const counted: unknown[] = [];
  const recorder = recorderOf({ onDropped: (...drop) => counted.push(drop) });
  await Promise.all(
    Array.from({ length: 400 }, (_, n) =>
      recorder.record(toldCall({ method: n % 100 === 42 ? "BAD" : "GET" }), mine),
    ),
  );
  await db.pool.query("ALTER TABLE outbound_calls DROP CONSTRAINT test_refused");
  expect(await rows()).toHaveLength(396);
  expect(counted).toEqual(Array.from({ length: 4 }, () => [1, "refused"]));
  // Said at once, and then once a minute.
  expect(lines).toEqual([{ count: 1, reason: "refused" }]);
});

test("10,000 calls at once are all there, and once", async () => {
  const recorder = recorderOf();
  await Promise.all(Array.from({ length: 10_000 }, () => recorder.record(toldCall(), mine)));
  const { rows: counts } = await db.pool.query(
    "SELECT count(*)::int AS all, count(DISTINCT call_id)::int AS ids FROM outbound_calls",
  );
  expect(counts).toEqual([{ all: 10_000, ids: 10_000 }]);
  expect(lines).toEqual([]);
});

describe("while Postgres is away", () => {
  const limits = { ...recorderLimits, maxWaiting: 50 };

  test("only what exceeds the bound is lost, and nobody waits for the rest", async () => {
    const way = await cuttable(database.url);
    const away = openDatabase({
      url: way.url,
      max: 1,
      applicationName: "t",
      onError: () => undefined,
    });
    const recorder = recorderOf({ pool: away.pool, limits });
    await recorder.record(toldCall(), mine);
    way.refuse();
    // Resolved though none of them can be written.
    for (let n = 0; n < 80; n += 1) await recorder.record(toldCall(), mine);
    expect(recorder.size).toBe(50);
    expect(await rows()).toHaveLength(1);
    way.accept();
    await expect.poll(rows, { timeout: 20_000 }).toHaveLength(51);
    expect(recorder.size).toBe(0);
    expect(lines).toEqual([{ count: 1, reason: "full" }]);
    await recorder.close(0);
    expect(lines).toEqual([
      { count: 1, reason: "full" },
      { count: 29, reason: "full" },
    ]);
    await closeDatabase(away);
    await way.close();
  });

  test("what cannot be written until the end is said", async () => {
    const way = await cuttable(database.url);
    const away = openDatabase({
      url: way.url,
      max: 1,
      applicationName: "t",
      onError: () => undefined,
    });
    const recorder = recorderOf({ pool: away.pool, limits });
    way.refuse();
    for (let n = 0; n < 5; n += 1) await recorder.record(toldCall(), mine);
    await recorder.close(10);
    expect(lines).toEqual([{ count: 5, reason: "closing" }]);
    await recorder.record(toldCall(), mine);
    await closeDatabase(away);
    await way.close();
  });

  test("a batch whose answer was lost is not written twice", async () => {
    const recorder = recorderOf();
    const { pool } = db;
    let lose = true;
    const losing = Object.create(pool) as typeof pool;
    losing.query = (async (asked: pg.QueryConfig) => {
      const answer = await pool.query(asked);
      if (!lose) return answer;
      lose = false;
      throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
    }) as never;
    const other = recorderOf({ pool: losing });
    await Promise.all([other.record(toldCall(), mine), recorder.record(toldCall(), mine)]);
    await expect.poll(() => other.size, { timeout: 20_000 }).toBe(0);
    expect(await rows()).toHaveLength(2);
  });
});

test("too much to hold is not held, whatever the number is", async () => {
  const limits = { ...recorderLimits, maxWaitingBytes: 100_000 };
  const recorder = recorderOf({ limits });
  const large = () => recorder.record(toldCall({ response_body: "x".repeat(60_000) }), mine);
  await Promise.all([large(), large(), large()]);
  expect(await rows()).toHaveLength(1);
  await large();
  expect(await rows()).toHaveLength(2);
});
