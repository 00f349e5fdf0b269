import { keyListSchema, keySchema, keyWithSecretSchema } from "@tl-engine/contract";
import type { Key, KeyWithSecret, Problem } from "@tl-engine/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, soon, type TestApi } from "./testing/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ database: await freshDatabase(), settings: { rateLimit: 1234 } });
});
afterAll(async () => {
  expect(api.defects).toEqual([]);
  await api.close();
});

const keys = "/api/v1/keys";
async function create(json: object = { name: "orders" }): Promise<KeyWithSecret> {
  const response = await api.ask(keys, { json });
  expect(response.status).toBe(201);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const made = (await response.json()) as KeyWithSecret;
  expect(keyWithSecretSchema.parse(made)).toEqual(made);
  expect(response.headers.get("location")).toBe(`${keys}/${made.id}`);
  return made;
}
const comesIn = async (key: string) =>
  (await api.ask("/api/v1/engines", { as: { "X-API-Key": key } })).status === 200;
const code = async (response: Response) => ((await response.json()) as Problem).code;

test("a key is made, shown once, and comes in", async () => {
  const made = await create();
  expect(made).toMatchObject({
    name: "orders",
    key: expect.stringMatching(/^tlk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/),
    scopes: ["engines:read", "engines:execute", "executions:read", "executions:write"],
    engines: null,
    rate_limit: 1234,
    is_active: true,
    revoked_at: null,
  });
  expect(made.last_four).toBe(made.key.slice(-4));
  expect(await comesIn(made.key)).toBe(true);
  const read = await api.ask(`${keys}/${made.id}`);
  const record = (await read.json()) as Key;
  expect(keySchema.parse(record)).toEqual(record);
  expect(JSON.stringify(record)).not.toContain(made.key.slice(17));
});

test("a key has what was asked for", async () => {
  const wanted = {
    name: "n",
    scopes: ["engines:execute:echo", "metrics:read"],
    engines: ["echo"],
    rate_limit: 7,
    expires_at: "2999-01-01T00:00:00.000Z",
  };
  expect(await create(wanted)).toMatchObject(wanted);
  expect((await create({ name: "n", rate_limit: null })).rate_limit).toBeNull();
  expect((await create({ name: "n", scopes: [] })).scopes).toEqual([]);
});

test.each<[unknown, string]>([
  [{}, "/name"],
  [{ name: "" }, "/name"],
  [{ name: "n", scopes: ["keys:admin"] }, "/scopes/0"],
  [{ name: "n", scopes: ["engines:execute:UP"] }, "/scopes/0"],
  [{ name: "n", scopes: "engines:read" }, "/scopes"],
  [{ name: "n", engines: ["A"] }, "/engines/0"],
  [{ name: "n", rate_limit: 0 }, "/rate_limit"],
  [{ name: "n", rate_limit: 1.5 }, "/rate_limit"],
  [{ name: "n", expires_at: "soon" }, "/expires_at"],
  [{ name: "n", weight: 2 }, "/weight"],
  [{ name: "n", max_queued: 2 }, "/max_queued"],
  [{ name: "n", id: "x", is_active: false }, "/id"],
])("422 %j", async (json, pointer) => {
  const response = await api.ask(keys, { json });
  expect(response.status).toBe(422);
  const { errors } = (await response.json()) as Problem;
  expect(errors?.map((error) => error.pointer)).toContain(pointer);
});

test("the list shows all, newest first, in pages", async () => {
  const made = [await create(), await create(), await create()];
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.ask(`${keys}?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`);
    const answer = keyListSchema.parse(await page.json());
    ids.push(...answer.keys.map((key) => key.id));
    cursor = answer.next_cursor;
  } while (cursor !== null);
  expect(ids.slice(0, 3)).toEqual(made.map((key) => key.id).toReversed());
  expect(new Set(ids).size).toBe(ids.length);
});

describe("changes", () => {
  const patch = (id: string, json: unknown) => api.ask(`${keys}/${id}`, { method: "PATCH", json });

  test("are felt within 5 s", async () => {
    const { id, key } = await create();
    expect(await comesIn(key)).toBe(true);
    expect(await (await patch(id, { is_active: false })).json()).toMatchObject({
      is_active: false,
    });
    await expect.poll(() => comesIn(key), soon).toBe(false);
    expect((await patch(id, { is_active: true, name: "other" })).status).toBe(200);
    await expect.poll(() => comesIn(key), soon).toBe(true);
    expect((await patch(id, { scopes: ["executions:read"] })).status).toBe(200);
    await expect.poll(() => comesIn(key), soon).toBe(false);
    expect((await patch(id, {})).status).toBe(200);
  });

  test("revoking is for good, safe to repeat, and leaves the record", async () => {
    const { id, key } = await create();
    for (let i = 0; i < 2; i++) {
      const response = await api.ask(`${keys}/${id}`, { method: "DELETE" });
      expect(response.status).toBe(204);
      expect(await response.text()).toBe("");
    }
    await expect.poll(() => comesIn(key), soon).toBe(false);
    const changed = await patch(id, { is_active: true });
    expect([changed.status, await code(changed)]).toEqual([409, "key_revoked"]);
    const rerolled = await api.ask(`${keys}/${id}/reroll`, { method: "POST" });
    expect([rerolled.status, await code(rerolled)]).toEqual([409, "key_revoked"]);
    // A body that is wrong comes before that.
    expect((await patch(id, { bogus: 1 })).status).toBe(422);
    const record = (await (await api.ask(`${keys}/${id}`)).json()) as Key;
    expect(record.revoked_at).not.toBeNull();
  });

  test("a reroll gives another secret to the same caller", async () => {
    const { id, key } = await create();
    const as = { "X-API-Key": key };
    const submitted = await api.ask("/api/v1/engines/echo/execute", { as, json: { input: 1 } });
    const self = submitted.headers.get("location")!;
    const rerolled = await api.ask(`${keys}/${id}/reroll`, { json: { overlap: "1h" } });
    expect(rerolled.status).toBe(201);
    const second = (await rerolled.json()) as KeyWithSecret;
    expect(second.id).toBe(id);
    await expect.poll(() => comesIn(second.key), soon).toBe(true);
    expect(await comesIn(key)).toBe(true);
    expect((await api.ask(self, { as: { "X-API-Key": second.key } })).status).toBe(200);

    const third = (await (
      await api.ask(`${keys}/${id}/reroll`, { method: "POST" })
    ).json()) as KeyWithSecret;
    await expect.poll(() => comesIn(third.key), soon).toBe(true);
    await expect.poll(() => comesIn(second.key), soon).toBe(false);
    expect(await comesIn(key)).toBe(false);
    for (const overlap of ["8d", "x", 5, "-1s"]) {
      expect((await api.ask(`${keys}/${id}/reroll`, { json: { overlap } })).status).toBe(422);
    }
    // No body is the default; a body that is no object is not.
    for (const json of [null, [], 0, ""]) {
      expect((await api.ask(`${keys}/${id}/reroll`, { json })).status).toBe(422);
    }
    await expect.poll(() => comesIn(third.key), soon).toBe(true);
  });

  test.each(["AAAAAAAAAAAA", "x", "%00", "' OR 1=1"])("404 for %j", async (id) => {
    const path = `${keys}/${encodeURIComponent(id)}`;
    for (const [address, method] of [
      [path, "GET"],
      [path, "PATCH"],
      [path, "DELETE"],
      [`${path}/reroll`, "POST"],
    ] as const) {
      const response = await api.ask(address, {
        method,
        body: method === "GET" ? undefined! : "x",
      });
      expect([response.status, await code(response)]).toEqual([404, "key_not_found"]);
    }
  });
});
