import { randomUUID } from "node:crypto";
import type { Admitted, BreakerPolicy, Connection, Park } from "@tl-engine/outbound";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { resetCircuit } from "../breakers/reset-circuit.ts";
import { openStack, type Stack } from "../testing/stack.ts";
import { createAdmission, type SharedAdmission } from "./admission.ts";

const patient = new AbortController().signal;
const dayMs = 24 * 3_600_000;
const breaker: BreakerPolicy = {
  failures: 1,
  ratio: 0.1,
  windowMs: 60_000,
  openMs: dayMs,
  maxOpenMs: dayMs,
};
let database: FreshDatabase;
let stack: Stack;
let admission: SharedAdmission;

class Parked extends Error {
  readonly park: Park;

  constructor(message: string, park: Park) {
    super(message);
    this.park = park;
  }
}

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
  admission = createAdmission({
    pool: stack.db.pool,
    signals: stack.signals,
    processId: stack.registration.id,
    onError: (error) => stack.errors.push(error),
    onReleased: () => {},
    parked: (message, park) => new Parked(message, park),
  });
});
afterAll(async () => {
  await admission?.close();
  expect(stack?.errors).toEqual([]);
  await stack?.close();
  await database?.drop();
});

type Bounds = Pick<Connection, "id" | "concurrency" | "rate" | "breaker">;
function connectionWith(bounds: Partial<Bounds>): Connection {
  const own: Bounds & Pick<Connection, "revision"> = {
    id: `c-${randomUUID().slice(0, 8)}`,
    revision: 1,
    concurrency: null,
    rate: null,
    breaker: null,
    ...bounds,
  };
  // The rest of a connection is no matter of admission.
  return own as Connection;
}
const enter = async (connection: Connection, signal: AbortSignal = patient): Promise<Admitted> =>
  admission.enter(connection, { executionId: randomUUID() }, signal);
const opens = (connection: Connection) =>
  new Promise<void>((resolve) =>
    admission.onChange((id) => {
      if (id === connection.id) resolve();
    }),
  );

test("what bounds nothing asks nobody", async () => {
  const connection = connectionWith({});
  (await enter(connection)).leave("failure");
  const { rows } = await stack.db.pool.query(
    `SELECT connection_id FROM connection_places UNION SELECT connection_id FROM connection_rates
     UNION SELECT connection_id FROM connection_breakers`,
  );
  expect(rows).toEqual([]);
});

test("while the circuit is open neither a place nor the rate is asked", async () => {
  const connection = connectionWith({ breaker, concurrency: 1, rate: { limit: 1, perMs: dayMs } });
  const opened = opens(connection);
  admission.report(connection, "failure");
  await opened;
  for (let n = 0; n < 3; n++)
    await expect(enter(connection)).rejects.toMatchObject({ park: { reason: "circuit_open" } });
  await resetCircuit(stack.db.pool, stack.signals, connection.id);
  // By its signal, or within a second where that is lost.
  const isClosed = () => admission.isClosed(connection.id);
  await expect.poll(isClosed, { timeout: 10_000 }).toBe(true);
  (await enter(connection)).leave("success");
});

test("what is parked for its rate gives its place back", async () => {
  const connection = connectionWith({ concurrency: 1, rate: { limit: 1, perMs: dayMs } });
  (await enter(connection)).leave("success");
  for (let n = 0; n < 3; n++)
    await expect(enter(connection)).rejects.toMatchObject({
      park: { reason: "retry_after", blockedBy: `connection:${connection.id}` },
    });
});

test("a circuit that opens while a call waits for its place parks it", async () => {
  const connection = connectionWith({ breaker, concurrency: 1 });
  const first = await enter(connection);
  const waiting = enter(connection);
  const opened = opens(connection);
  admission.report(connection, "failure");
  await opened;
  first.leave("ignored");
  await expect(waiting).rejects.toMatchObject({ park: { reason: "circuit_open" } });
});

test("whoever is gone by then is not let through, and holds nothing", async () => {
  const connection = connectionWith({ concurrency: 1 });
  const first = await enter(connection);
  const gone = new AbortController();
  const waiting = enter(connection, gone.signal);
  gone.abort(new Error("no more"));
  await expect(waiting).rejects.toThrow("no more");
  await expect(enter(connection, gone.signal)).rejects.toThrow("no more");
  first.leave("success");
  // Said twice, it counts once.
  first.leave("success");
  const next = await enter(connection);
  next.leave("success");
});
