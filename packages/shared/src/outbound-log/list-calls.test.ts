import { randomUUID } from "node:crypto";
import { outboundCallDetailSchema, outboundCallSchema } from "@tl-engine/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import type { CallerRef } from "../executions/row.ts";
import { blocksTouched } from "../testing/blocks-touched.ts";
import { toldCall } from "../testing/told-call.ts";
import { createCallIds } from "./call-ids.ts";
import { toCallRow } from "./call-row.ts";
import { type ToldCall } from "./told-call.ts";
import { insertCalls } from "./insert-calls.ts";
import { listCalls, type CallFilters } from "./list-calls.ts";
import { readCall } from "./read-call.ts";

const one: CallerRef = { kind: "program", id: "key:one" };
const two: CallerRef = { kind: "program", id: "key:two" };
const plane: CallerRef = { kind: "plane", id: "plane" };
const execution = randomUUID();
const newId = createCallIds();
const seconds = (n: number): string => new Date(now - 3_600_000 + n * 1_000).toISOString();
let now = Date.now();
let database: FreshDatabase;
let db: Database;
let schema: z.ZodType;

async function write(callerId: string, engineId: string, ...calls: Partial<ToldCall>[]) {
  const whose = { callerId, engineId };
  const rows = calls.map((call) =>
    toCallRow(toldCall(call), { whose, now: Date.now(), newId, seal: null }),
  );
  await insertCalls(db.pool, rows);
  return rows.map(({ call_id }) => call_id);
}

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({ url: database.url, max: 3, applicationName: "t", onError: () => undefined });
  schema = z.strictObject(outboundCallSchema.shape);
  now = Date.now();
  await write(
    one.id,
    "sync",
    { step: "a", started_at: seconds(1), execution_id: execution, status: 404 },
    { step: "b", started_at: seconds(3), execution_id: execution, attempt: 2, status: 503 },
    { step: "c", started_at: seconds(2), connection: "crm", breaker_state: "closed" },
    { step: "d", started_at: seconds(4), status: null, error_code: "connection_failed" },
    { step: "e", started_at: seconds(5), protocol: "grpc", host: "grpc.example:50051", status: 14 },
  );
  await write(two.id, "push", { step: "f", started_at: seconds(6), connection: "crm" });
});
afterAll(async () => {
  await closeDatabase(db);
  await database.drop();
});

async function steps(caller: CallerRef, filters: CallFilters = {}, limit = 50): Promise<string> {
  const { calls } = await listCalls(db.pool, caller, filters, { before: null, limit });
  return calls.map((call) => (JSON.parse(call) as { step: string }).step).join("");
}

describe("a list of calls", () => {
  test("is the caller's own, newest first; tl-plane's is everybody's", async () => {
    expect(await steps(one)).toBe("edbca");
    expect(await steps(two)).toBe("f");
    expect(await steps(plane)).toBe("fedbca");
  });

  test.each<[CallFilters, string]>([
    [{ executionId: execution }, "ba"],
    [{ executionId: execution, attempt: 2 }, "b"],
    [{ engine: "sync" }, "edbca"],
    [{ engine: "push" }, "f"],
    [{ connection: "crm" }, "fc"],
    [{ connection: "crm", engine: "push" }, "f"],
    [{ protocol: "grpc" }, "e"],
    [{ host: "grpc.example:50051" }, "e"],
    [{ status: { from: 404, to: 404 } }, "a"],
    [{ status: { from: 500, to: 599 } }, "b"],
    [{ errorCode: "connection_failed" }, "d"],
    [{ result: "failed" }, "dba"],
    [{ result: "ok" }, "fec"],
    [{ purpose: "engine" }, "fedbca"],
    [{ purpose: "token" }, ""],
  ])("narrowed by %o", async (filters, expected) => {
    expect(await steps(plane, filters)).toBe(expected);
    const own = expected.replaceAll("f", "");
    expect(await steps(one, filters)).toBe(own);
  });

  test("goes by when calls began", async () => {
    const at = (n: number): Date => new Date(seconds(n));
    // This machine's clock is read a moment later than the call's own time was.
    const after = new Date(at(3).getTime() - 500);
    const before = new Date(at(5).getTime() - 500);
    expect(await steps(plane, { startedAfter: after, startedBefore: before })).toBe("db");
    expect(await steps(one, { executionId: execution, startedBefore: after })).toBe("a");
  });

  test("goes on page by page, with nothing twice", async () => {
    let before: string | null = null;
    const pages: string[] = [];
    do {
      const page = await listCalls(db.pool, plane, {}, { before, limit: 4 });
      pages.push(page.calls.map((call) => (JSON.parse(call) as { step: string }).step).join(""));
      before = page.next;
    } while (before !== null);
    expect(pages).toEqual(["fedb", "ca"]);
  });

  test("looks at so many, and goes on from there", async () => {
    let before: string | null = null;
    const found: string[] = [];
    for (let page = 0; page < 10; page += 1) {
      const { calls, next } = await listCalls(
        db.pool,
        plane,
        { status: { from: 404, to: 404 } },
        { before, limit: 50 },
        2,
      );
      found.push(...calls);
      before = next;
      if (next === null) break;
    }
    expect(before).toBeNull();
    expect(found).toHaveLength(1);
  });

  test("has all members of the contract and no other", async () => {
    const { calls } = await listCalls(db.pool, plane, {}, { before: null, limit: 50 });
    for (const call of calls) schema.parse(JSON.parse(call));
    expect(JSON.parse(calls[0] ?? "")).toMatchObject({ engine: "push", connection: "crm" });
  });
});

describe("one call", () => {
  test("is there for its caller and tl-plane, with bodies", async () => {
    const [id = ""] = await write(one.id, "sync", { request_body: "hello" });
    const mine = await readCall(db.pool, one, id);
    expect(
      z.strictObject(outboundCallDetailSchema.shape).parse(JSON.parse(mine?.json ?? "")),
    ).toMatchObject({
      id,
      request_body: "hello",
      response_body: null,
      resendable: false,
    });
    expect(mine).toMatchObject({ resend: null, not_resendable: "no_connection" });
    expect(await readCall(db.pool, plane, id)).toEqual(mine);
    expect(await readCall(db.pool, two, id)).toBeNull();
    expect(await readCall(db.pool, one, randomUUID())).toBeNull();
    await db.pool.query("DELETE FROM outbound_calls WHERE call_id = $1", [id]);
  });
});

test("a page costs what it shows, whatever is in the log", async () => {
  const cost = (caller: CallerRef, filters: CallFilters = {}): Promise<number> =>
    blocksTouched(db.pool, () =>
      listCalls(db.pool, caller, filters, { before: null, limit: 10 }, 100),
    );
  const ask = async () => [
    await cost(one),
    await cost(plane),
    await cost(plane, { connection: "crm" }),
    await cost(two, { executionId: execution }),
    await cost(one, { executionId: execution }),
    await cost(plane, { host: "nowhere.example" }),
    await cost({ kind: "program", id: "key:1" }, { errorCode: "none" }),
  ];
  await db.pool
    .query(`INSERT INTO outbound_calls (call_id, caller_id, execution_id, attempt, dispatch, connection, protocol,
      method, host, path, started_at, duration_ms, bytes_sent, bytes_received, try)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'key:' || n % 3, gen_random_uuid(), 1, 1,
      CASE n % 2 WHEN 0 THEN 'other' END, 'http', 'GET', 'h', '/', now(), 1, 1, 1, 1 FROM generate_series(1, 10000) AS n`);
  await db.pool.query("ANALYZE outbound_calls");
  const costs = await ask();
  // Up to ten rows, each by an index or two; the log itself has some 250 blocks.
  for (const blocks of costs) expect(blocks).toBeLessThan(150);
});
