import {
  circuitResetSchema,
  connectionDetailSchema,
  type ConnectionDetail,
  type Problem,
} from "@tl-engine/contract";
import { countOutcomes, ensureCircuits } from "@tl-engine/shared/breakers/count-outcomes.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

const policy = { failures: 3, ratio: 0.5, windowMs: 30_000, openMs: 60_000, maxOpenMs: 60_000 };

async function create(id: string, json: object = {}): Promise<void> {
  const response = await api.ask("/api/v1/connections", {
    json: { id, kind: "http", base_url: "https://api.example.com", ...json },
  });
  expect(response.status).toBe(201);
}

async function show(id: string): Promise<ConnectionDetail> {
  const response = await api.ask(`/api/v1/connections/${id}`);
  return connectionDetailSchema.strict().parse(await response.json());
}

async function count(id: string, successes: number, failures: number): Promise<void> {
  const connection = { id, revision: 1, breaker: policy };
  await ensureCircuits(api.stack.db.pool, [id]);
  await countOutcomes(api.stack.db.pool, [{ connection, generation: 0, successes, failures }]);
}

test("a connection shows its circuit, and an operator closes it", async () => {
  await create("crm");
  const closed = { state: "closed", until: null, openings: 0, calls: 0, failures: 0, parked: 0 };
  expect((await show("crm")).circuit).toEqual(closed);
  await count("crm", 4, 2);
  expect((await show("crm")).circuit).toEqual({ ...closed, calls: 6, failures: 2 });
  // Of what is older than the window nothing is told.
  await api.stack.db.pool.query("UPDATE connection_breakers SET part = part - 10");
  expect((await show("crm")).circuit).toEqual(closed);
  await count("crm", 0, 3);
  expect((await show("crm")).circuit).toMatchObject({
    state: "open",
    until: expect.stringMatching(/Z$/),
    openings: 1,
  });
  const reset = await api.ask("/api/v1/connections/crm/reset-circuit", { method: "POST" });
  expect(reset.status).toBe(200);
  expect(circuitResetSchema.strict().parse(await reset.json())).toEqual({
    circuit: closed,
    released: 0,
  });
  expect((await show("crm")).circuit).toEqual(closed);
});

test("without a breaker there is no circuit, and without a connection nothing to close", async () => {
  await create("plain", { breaker: null });
  expect((await show("plain")).circuit).toBeNull();
  const unknown = await api.ask("/api/v1/connections/none/reset-circuit", { method: "POST" });
  expect([unknown.status, ((await unknown.json()) as Problem).code]).toEqual([
    404,
    "connection_not_found",
  ]);
});
