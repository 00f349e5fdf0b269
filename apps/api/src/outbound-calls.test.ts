import { outboundCallDetailSchema, outboundCallListSchema } from "@tl-engine/contract";
import { publishEngines } from "@tl-engine/shared/catalogue/publish.ts";
import { createCallIds } from "@tl-engine/shared/outbound-log/call-ids.ts";
import { toCallRow } from "@tl-engine/shared/outbound-log/call-row.ts";
import { type ToldCall } from "@tl-engine/shared/outbound-log/told-call.ts";
import { insertCalls } from "@tl-engine/shared/outbound-log/insert-calls.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { toldCall } from "@tl-engine/shared/testing/told-call.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, secretKey, soon, type TestApi } from "./testing/api.ts";
import { testEngines } from "./testing/engines.ts";

const newId = createCallIds();
const box = createSecretBox([secretKey]);
const unknown = "01890000-0000-7000-8000-000000000000";
const resend = {
  method: "PUT",
  url: "/v1/things/7?color=red",
  headers: { "content-type": "application/json", "x-note": "hi" },
  body_base64: Buffer.from('{ "exactly": "so" }').toString("base64"),
};
let api: TestApi;
let mine: Record<string, string>;
let callerId = "";

async function write(over: Partial<ToldCall> = {}, caller = callerId): Promise<string> {
  const row = toCallRow(toldCall(over), {
    whose: { callerId: caller, engineId: "sync" },
    now: Date.now(),
    newId,
    seal: (plain, context) => box.seal(plain, context),
  });
  await insertCalls(api.stack.db.pool, [row]);
  return row.call_id;
}

const json = async (response: Response | Promise<Response>): Promise<Record<string, unknown>> =>
  (await (await response).json()) as Record<string, unknown>;

beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
  const { db, signals } = api.stack;
  const [resize] = testEngines;
  await publishEngines(
    db,
    signals,
    [{ ...resize!, id: "http.request", version: 1, input_schema: { type: "object" } }],
    { processId: api.stack.registration.id, replace: true },
  );
  await vi.waitFor(
    async () => expect(await api.deps.catalogue.resolve("http.request")).not.toBeNull(),
    soon,
  );
  mine = await api.program();
  const { rows } = await db.pool.query<{ id: string }>("SELECT id FROM api_keys");
  callerId = `key:${rows[0]?.id}`;
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

describe("the list", () => {
  test("is the caller's own and follows the contract", async () => {
    await write({ path: "/own" });
    await write({ path: "/foreign" }, "key:stranger0001");
    const own = outboundCallListSchema.parse(
      await json(api.ask("/api/v1/outbound-calls", { as: mine })),
    );
    expect(own.calls.map(({ path }) => path)).toEqual(["/own"]);
    expect(own.calls[0]).toMatchObject({ engine: "sync", resendable: false, resend_of: null });
    const all = outboundCallListSchema.parse(await json(api.ask("/api/v1/outbound-calls")));
    expect(all.calls.map(({ path }) => path)).toEqual(["/foreign", "/own"]);
  });

  test("goes on by its cursor", async () => {
    const first = await json(api.ask("/api/v1/outbound-calls?limit=1"));
    const cursor = String(first["next_cursor"]);
    const second = await json(api.ask(`/api/v1/outbound-calls?limit=1&cursor=${cursor}`));
    expect(second).toMatchObject({ calls: [{ path: "/own" }], next_cursor: null });
    const other = await json(api.ask(`/api/v1/executions?cursor=${cursor}`));
    expect(other).toMatchObject({ code: "malformed_request" });
  });

  test("is narrowed", async () => {
    await write({ path: "/failed", status: 503, connection: "crm" });
    const asked =
      "connection=crm&status=5xx&result=failed&engine=sync&attempt=1&protocol=http&host=API.example.com";
    expect(await json(api.ask(`/api/v1/outbound-calls?${asked}`))).toMatchObject({
      calls: [{ path: "/failed" }],
    });
    expect(
      await json(api.ask(`/api/v1/outbound-calls?${asked}&started_before=2020-01-01T00:00:00Z`)),
    ).toMatchObject({ calls: [] });
  });

  test.each([
    "execution_id=1",
    "engine=sync@1",
    "engine=S",
    "connection=-",
    "protocol=ftp",
    "host=",
    "status=6xx",
    "status=-1",
    "result=maybe",
    "error_code=A",
    "purpose=x",
    "attempt=0",
    "started_after=yesterday",
    "limit=101",
    "cursor=x",
    "unknown=1",
  ])("refuses %s", async (query) => {
    const response = await api.ask(`/api/v1/outbound-calls?${query}`);
    expect(response.status).toBe(400);
    expect(await json(response)).toMatchObject({ code: "malformed_request" });
  });

  test("needs executions:read", async () => {
    const other = await api.program({ scopes: ["executions:write", "engines:execute"] });
    expect((await api.ask("/api/v1/outbound-calls", { as: other })).status).toBe(403);
    expect((await api.ask(`/api/v1/outbound-calls/${unknown}`, { as: other })).status).toBe(403);
  });
});

describe("one call", () => {
  test("has its bodies, for its caller and tl-plane alone", async () => {
    const id = await write({ connection: "crm", request_body: "a", response_body: "b" });
    const path = `/api/v1/outbound-calls/${id}`;
    const call = outboundCallDetailSchema.parse(await json(api.ask(path, { as: mine })));
    expect(call).toMatchObject({ id, request_body: "a", response_body: "b" });
    expect((await api.ask(path)).status).toBe(200);
    for (const [asked, as] of [
      [path, await api.program()],
      [`/api/v1/outbound-calls/${unknown}`, mine],
      ["/api/v1/outbound-calls/x", mine],
    ] as const) {
      const response = await api.ask(asked, { as });
      expect(response.status).toBe(404);
      expect(await json(response)).toMatchObject({ code: "call_not_found" });
    }
  });

  test("is in its execution's status", async () => {
    const accepted = await json(
      api.ask("/api/v1/engines/http.request/execute", { as: mine, json: { input: {} } }),
    );
    const execution_id = String(accepted["execution_id"]);
    const id = await write({ execution_id, request_body: "not here" });
    const status = await json(
      api.ask(`/api/v1/executions/${execution_id}?include=calls`, { as: mine }),
    );
    expect(status["calls"]).toMatchObject([{ id, dns_ms: 1, purpose: "engine", execution_id }]);
    expect(JSON.stringify(status)).not.toContain("not here");
  });
});

describe("to send it again", () => {
  const again = (id: string, as = mine, headers: Record<string, string> = {}) =>
    api.ask(`/api/v1/outbound-calls/${id}/resend`, { method: "POST", as, headers });
  const kept = { connection: "crm", resend };

  test("makes an execution of the very request, that names the call", async () => {
    const id = await write(kept);
    const response = await again(id);
    expect(response.status).toBe(202);
    const { execution_id, engine } = await json(response);
    expect(engine).toBe("http.request");
    expect(response.headers.get("location")).toBe(`/api/v1/executions/${execution_id as string}`);
    const status = await json(
      api.ask(`/api/v1/executions/${execution_id as string}?include=input`, { as: mine }),
    );
    expect(status).toMatchObject({
      tags: [`resend_of:${id}`],
      input: {
        method: "PUT",
        url: resend.url,
        connection: "crm",
        headers: resend.headers,
        text: '{ "exactly": "so" }',
      },
    });
    const made = await write({ execution_id: String(execution_id) });
    expect(await json(api.ask(`/api/v1/outbound-calls/${made}`))).toMatchObject({ resend_of: id });
    expect(await json(api.ask(`/api/v1/outbound-calls/${id}`))).toMatchObject({ resendable: true });
    expect(
      await json(api.ask(`/api/v1/executions?tag=resend_of:${id}`, { as: mine })),
    ).toMatchObject({
      executions: [{ execution_id }],
    });
  });

  test("once for one Idempotency-Key", async () => {
    const id = await write(kept);
    const first = await json(again(id, mine, { "idempotency-key": "k1" }));
    const second = await again(id, mine, { "idempotency-key": "k1" });
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(await json(second)).toMatchObject({ execution_id: first["execution_id"] });
    const other = await again(await write(kept), mine, { "idempotency-key": "k1" });
    expect(await json(other)).toMatchObject({ code: "idempotency_mismatch" });
  });

  test.each<[string, Partial<ToldCall>]>([
    ["log.bodies", { connection: "crm" }],
    ["log.bodies", { resend }],
    ["signs it anew", { ...kept, purpose: "callback" }],
    ["access token", { ...kept, purpose: "token" }],
    ["credentials", { ...kept, resend: { ...resend, headers: { cookie: "c" } } }],
    ["no HTTP call", { ...kept, protocol: "grpc" }],
    ["no text", { ...kept, resend: { ...resend, body_base64: "/w==" } }],
  ])("is refused where it cannot be, and says %s", async (words, over) => {
    const response = await again(await write(over));
    expect(response.status).toBe(409);
    const problem = await json(response);
    expect(problem).toMatchObject({ code: "not_resendable" });
    expect(problem["detail"]).toContain(words);
  });

  test("is refused where the key that sealed it is gone, and where it was moved", async () => {
    const [one, other] = [await write(kept), await write(kept)];
    await api.stack.db.pool.query(
      "UPDATE outbound_calls SET resend = (SELECT resend FROM outbound_calls WHERE call_id = $1) WHERE call_id = $2",
      [one, other],
    );
    expect(await json(again(other))).toMatchObject({ code: "not_resendable" });
  });

  test("needs the scope, the engine and the call", async () => {
    const id = await write(kept);
    const refused: [Parameters<TestApi["program"]>[0], number][] = [
      [{ scopes: ["executions:read", "engines:execute"] }, 403],
      [{ scopes: ["executions:write"] }, 403],
      [{ scopes: ["executions:write", "engines:execute:resize"] }, 403],
      [{ engines: ["resize"] }, 403],
      [{ scopes: ["executions:write", "engines:execute:http.request"] }, 202],
    ];
    for (const [wanted, status] of refused) {
      const as = await api.program(wanted);
      const own = await write(kept, `key:${as["X-API-Key"]?.split("_")[1]}`);
      expect((await again(own, as)).status).toBe(status);
    }
    expect((await again(id, await api.program())).status).toBe(404);
    expect((await again(unknown)).status).toBe(404);
    expect((await again("x")).status).toBe(404);
    const body = { method: "POST", as: mine, json: { url: "http://evil.example" } };
    const response = await api.ask(`/api/v1/outbound-calls/${id}/resend`, body);
    expect(response.status).toBe(422);
    expect((await api.ask(`/api/v1/outbound-calls/${id}/resend`, { method: "POST" })).status).toBe(
      202,
    );
  });
});
