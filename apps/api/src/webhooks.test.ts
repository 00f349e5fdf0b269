import type {
  Accepted,
  CallbackDelivery,
  CallbackSecret,
  Problem,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from "@tl-engine/contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type AskInit, type TestApi } from "./testing/api.ts";

let api: TestApi;
let mine: Record<string, string>;
let others: Record<string, string>;

beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase() });
  mine = await api.program();
  others = await api.program();
});
afterAll(() => api.close());

const url = "https://example.com/hook";
const path = "/api/v1/webhook-endpoints";
const post = (json?: unknown, as: AskInit["as"] = mine): AskInit => ({
  method: "POST",
  as,
  ...(json !== undefined && { json }),
});
const problem = async (response: Response) => {
  const { code, errors } = (await response.json()) as Problem;
  return { status: response.status, code, errors };
};
async function register(wanted = {}, as = mine): Promise<WebhookEndpointWithSecret> {
  const response = await api.ask(path, post({ url, ...wanted }, as));
  expect(response.status).toBe(201);
  return (await response.json()) as WebhookEndpointWithSecret;
}
const submit = (callback: unknown, headers = {}, as = mine) =>
  api.ask("/api/v1/engines/echo/execute", {
    ...post({ input: { hello: 1 }, callback }, as),
    headers,
  });
async function callbacksOf(id: string, as = mine): Promise<CallbackDelivery[]> {
  const response = await api.ask(`/api/v1/executions/${id}/callbacks`, { as });
  expect(response.status).toBe(200);
  return ((await response.json()) as { callbacks: CallbackDelivery[] }).callbacks;
}

describe("a submit with a callback", () => {
  it("owes one delivery once it has ended, which its caller alone sees", async () => {
    const response = await submit({ url });
    expect(response.status).toBe(202);
    const { execution_id: id } = (await response.json()) as Accepted;
    expect(await callbacksOf(id)).toEqual([]);
    await api.finish(id);
    const [delivery, ...more] = await callbacksOf(id);
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({
      execution_id: id,
      event: "execution.succeeded",
      endpoint: null,
      url,
      status: "pending",
      tries: 0,
      last_status: null,
      finished_at: null,
    });
    const foreign = await api.ask(`/api/v1/executions/${id}/callbacks`, { as: others });
    expect(await problem(foreign)).toMatchObject({ status: 404, code: "execution_not_found" });
    expect(await callbacksOf(id, undefined)).toEqual([delivery]);
  });

  it.each([
    [{ url: "ftp://example.com/" }, "/callback/url"],
    [{ url: "/hook" }, "/callback/url"],
    [{ url: "https:example.com" }, "/callback/url"],
    [{ url: "https://user@example.com/" }, "/callback/url"],
    [{ url: "https://user:pw@example.com/" }, "/callback/url"],
    [{ url: "https://example.com/#part" }, "/callback/url"],
    [{ url: "https://exa mple.com/" }, "/callback/url"],
    [{ url: "https://example.com/\n" }, "/callback/url"],
    [{ url: `https://example.com/${"x".repeat(2048)}` }, "/callback/url"],
    [{ url: 7 }, "/callback/url"],
    [{ endpoint: "whe_short" }, "/callback/endpoint"],
    [{ endpoint: `whe_${"a".repeat(24)}` }, "/callback/endpoint"],
    [{ url, more: 1 }, "/callback/more"],
    [{ url, endpoint: `whe_${"a".repeat(24)}` }, "/callback"],
    [{}, "/callback"],
    [null, "/callback"],
    [url, "/callback"],
  ])("is refused for %j", async (callback, pointer) => {
    const refused = await problem(await submit(callback));
    expect(refused).toMatchObject({ status: 422, code: "invalid_input" });
    expect(refused.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("may name an endpoint of the caller's own, and nobody else's", async () => {
    const { id } = await register({ events: [] });
    const accepted = await submit({ endpoint: id });
    expect(accepted.status).toBe(202);
    const { execution_id: execution } = (await accepted.json()) as Accepted;
    await api.finish(execution);
    expect(await callbacksOf(execution)).toMatchObject([{ endpoint: id, url }]);
    const refused = await problem(await submit({ endpoint: id }, {}, others));
    expect(refused.errors?.map((error) => error.pointer)).toEqual(["/callback/endpoint"]);
  });

  it("is another request than one with another callback, under one idempotency key", async () => {
    const key = { "Idempotency-Key": "callbacks-1" };
    const first = (await (await submit({ url }, key)).json()) as Accepted;
    const again = await submit({ url }, key);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(((await again.json()) as Accepted).execution_id).toBe(first.execution_id);
    for (const callback of [{ url: `${url}2` }, undefined]) {
      expect(await problem(await submit(callback, key))).toMatchObject({
        status: 422,
        code: "idempotency_mismatch",
      });
    }
  });

  it("is sent again when that is asked for, under its id", async () => {
    const { execution_id: id } = (await (await submit({ url })).json()) as Accepted;
    await api.finish(id);
    const [delivery] = await callbacksOf(id);
    await api.deps.db.pool.query(
      `UPDATE callback_deliveries SET status = 'failed', tries = 8, next_at = NULL, finished_at = now() WHERE id = $1`,
      [delivery?.id],
    );
    const address = `/api/v1/executions/${id}/callbacks/${delivery?.id}/resend`;
    expect(await problem(await api.ask(address, post(undefined, others)))).toMatchObject({
      status: 404,
      code: "callback_not_found",
    });
    const response = await api.ask(address, post());
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ id: delivery?.id, status: "pending", tries: 0 });
  });
});

it("a row of the outbound log that was a callback's try sends that callback again", async () => {
  const { execution_id: id } = (await (await submit({ url })).json()) as Accepted;
  await api.finish(id);
  const [delivery] = await callbacksOf(id);
  await api.deps.db.pool.query(
    `WITH d AS (UPDATE callback_deliveries SET status = 'failed', tries = 8, next_at = NULL, finished_at = now()
       WHERE id = $1 RETURNING *)
     INSERT INTO outbound_calls (call_id, caller_id, purpose, execution_id, attempt, dispatch, protocol, method, host, path,
       started_at, duration_ms, bytes_sent, bytes_received, try, idempotency_key, not_resendable)
     SELECT d.id, d.caller_id, 'callback', d.execution_id, 0, 0, 'http', 'POST', 'example.com', '/hook', now(), 1, 1, 1, 8,
       d.id, 'callback' FROM d`,
    [delivery?.id],
  );
  const address = `/api/v1/outbound-calls/${delivery?.id}/resend`;
  expect((await api.ask(address, post(undefined, others))).status).toBe(404);
  const response = await api.ask(address, post());
  expect(response.status).toBe(202);
  expect(response.headers.get("Location")).toBe(`/api/v1/executions/${id}/callbacks`);
  expect(await response.json()).toMatchObject({ id: delivery?.id, status: "pending", tries: 0 });
});

describe("endpoints", () => {
  it("show their secret once, and are changed, switched off and on, and removed", async () => {
    const made = await register({
      description: "orders",
      events: ["execution.failed"],
      engines: ["echo"],
    });
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const { secret, ...shown } = made;
    expect(shown).toMatchObject({
      url,
      description: "orders",
      events: ["execution.failed"],
      engines: ["echo"],
      is_active: true,
      failing_since: null,
      disabled_reason: null,
    });
    const address = `${path}/${made.id}`;
    expect(await (await api.ask(address, { as: mine })).json()).toEqual(shown);

    const changed = await api.ask(address, {
      method: "PATCH",
      as: mine,
      json: { url: `${url}/2`, events: null, engines: null },
    });
    expect(await changed.json()).toEqual({
      ...shown,
      url: `${url}/2`,
      events: null,
      engines: null,
    });
    const off = await api.ask(address, { method: "PATCH", as: mine, json: { is_active: false } });
    expect(await off.json()).toMatchObject({ is_active: false, disabled_reason: "by_request" });
    expect(await problem(await api.ask(`${address}/test`, post()))).toMatchObject({
      status: 409,
      code: "webhook_endpoint_disabled",
    });
    const on = await api.ask(`${address}/enable`, post());
    expect(await on.json()).toMatchObject({ is_active: true, disabled_at: null });

    const rotated = await api.ask(`${address}/rotate-secret`, post({ overlap: "1h" }));
    expect(rotated.status).toBe(201);
    const after = (await rotated.json()) as WebhookEndpointWithSecret;
    expect(after.secret).not.toBe(secret);
    expect(after.previous_secret_ends_at).not.toBeNull();
    const long = await problem(await api.ask(`${address}/rotate-secret`, post({ overlap: "8d" })));
    expect(long.errors?.map((error) => error.pointer)).toEqual(["/overlap"]);

    expect((await api.ask(address, { method: "DELETE", as: mine })).status).toBe(204);
    expect(await problem(await api.ask(address, { as: mine }))).toMatchObject({
      status: 404,
      code: "webhook_endpoint_not_found",
    });
  });

  it("are seen and changed by their owner alone; tl-plane sees all and changes its own", async () => {
    const { id } = await register();
    const address = `${path}/${id}`;
    const changes: [string, AskInit][] = [
      [address, { method: "PATCH", json: { description: "x" } }],
      [address, { method: "DELETE" }],
      [`${address}/rotate-secret`, { method: "POST" }],
      [`${address}/enable`, { method: "POST" }],
      [`${address}/test`, { method: "POST" }],
    ];
    const notFound = { status: 404, code: "webhook_endpoint_not_found" };
    expect(await problem(await api.ask(address, { as: others }))).toMatchObject(notFound);
    for (const [where, how] of changes) {
      expect(await problem(await api.ask(where, { ...how, as: others }))).toMatchObject(notFound);
      expect(await problem(await api.ask(where, how))).toMatchObject(notFound);
    }
    expect((await api.ask(address)).status).toBe(200);
    const lists = async (as: AskInit["as"]) => {
      const response = await api.ask(`${path}?limit=100`, as === undefined ? {} : { as });
      const { webhook_endpoints: all } = (await response.json()) as {
        webhook_endpoints: WebhookEndpoint[];
      };
      return all.map((endpoint) => endpoint.id);
    };
    expect(await lists(mine)).toContain(id);
    expect(await lists(others)).not.toContain(id);
    expect(await lists(undefined)).toContain(id);
  });

  it("are listed in pages, newest first, without secrets", async () => {
    const owner = await api.program();
    const made: string[] = [];
    for (let n = 0; n < 3; n += 1) made.unshift((await register({}, owner)).id);
    const page = async (query: string) =>
      (await (await api.ask(`${path}?${query}`, { as: owner })).json()) as {
        webhook_endpoints: WebhookEndpoint[];
        next_cursor: string | null;
      };
    const first = await page("limit=2");
    const second = await page(`limit=2&cursor=${first.next_cursor}`);
    expect([...first.webhook_endpoints, ...second.webhook_endpoints].map(({ id }) => id)).toEqual(
      made,
    );
    expect(second.next_cursor).toBeNull();
    expect(JSON.stringify([first, second])).not.toContain("whsec_");
    const other = await api.ask(`/api/v1/executions?cursor=${first.next_cursor}`, { as: owner });
    expect((await problem(other)).code).toBe("malformed_request");
  });

  it.each([
    [{ url: "http://user@example.com" }, "/url"],
    [{ url, events: ["execution.started"] }, "/events/0"],
    [{ url, engines: [] }, "/engines"],
    [{ url, engines: ["No Engine"] }, "/engines/0"],
    [{ url, description: "x".repeat(201) }, "/description"],
    [{ url, secret: "whsec_mine" }, "/secret"],
    [{}, "/url"],
  ])("are refused for %j", async (wanted, pointer) => {
    const refused = await problem(await api.ask(path, post(wanted)));
    expect(refused).toMatchObject({ status: 422, code: "invalid_input" });
    expect(refused.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("are fifty of one caller at most", async () => {
    const owner = await api.program();
    for (let n = 0; n < 50; n += 1) await register({}, owner);
    expect(await problem(await api.ask(path, post({ url }, owner)))).toMatchObject({
      status: 422,
      code: "invalid_input",
    });
  });

  it("are read with executions:read and changed with executions:write", async () => {
    const reader = await api.program({ scopes: ["executions:read"] });
    expect((await api.ask(path, { as: reader })).status).toBe(200);
    expect((await problem(await api.ask(path, post({ url }, reader)))).status).toBe(403);
    expect((await api.ask("/api/v1/callback-secret", { as: reader })).status).toBe(403);
  });
});

describe("the callback secret", () => {
  const read = async (as: Record<string, string>) =>
    (await (await api.ask("/api/v1/callback-secret", { as })).json()) as CallbackSecret;

  it("is each caller's own, the same each time, also where it is made by many at once", async () => {
    const owner = await api.program();
    const secrets = await Promise.all(Array.from({ length: 8 }, () => read(owner)));
    expect(new Set(secrets.map(({ secret }) => secret)).size).toBe(1);
    expect(secrets[0]).toMatchObject({ previous_secret: null, previous_secret_ends_at: null });
    expect((await read(others)).secret).not.toBe(secrets[0]?.secret);
  });

  it("is rotated, both are shown while both sign", async () => {
    const owner = await api.program();
    const { secret } = await read(owner);
    const rotate = async (body?: unknown) =>
      (await (
        await api.ask("/api/v1/callback-secret/rotate", post(body, owner))
      ).json()) as CallbackSecret;
    const rotated = await rotate();
    expect(rotated.secret).not.toBe(secret);
    expect(rotated.previous_secret).toBe(secret);
    expect(await read(owner)).toEqual(rotated);
    expect(await rotate({ overlap: "0s" })).toMatchObject({ previous_secret: null });
  });
});

it("without TL_SECRET_KEY nothing can be signed: that is said, and nothing else breaks", async () => {
  const bare = await openTestApi({ database: await freshDatabase(), deps: { secretBox: null } });
  try {
    for (const [where, how] of [
      [path, { method: "POST", json: { url } }],
      ["/api/v1/callback-secret", {}],
      ["/api/v1/engines/echo/execute", { method: "POST", json: { input: {}, callback: { url } } }],
    ] as const) {
      const response = await bare.ask(where, how);
      const { detail } = (await response.clone().json()) as Problem;
      expect(await problem(response)).toMatchObject({ status: 503, code: "unavailable" });
      expect(detail).toContain("TL_SECRET_KEY");
    }
    const plain = await bare.ask("/api/v1/engines/echo/execute", {
      method: "POST",
      json: { input: {} },
    });
    expect(plain.status).toBe(202);
  } finally {
    await bare.close();
  }
});
