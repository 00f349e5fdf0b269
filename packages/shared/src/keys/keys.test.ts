import { changeKeySchema, createKeySchema, defaultScopes, keySchema } from "@tl-engine/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { openDatabase, type Database } from "../db/database.ts";
import { changeKey } from "./change-key.ts";
import { createKey } from "./create-key.ts";
import { getKey } from "./get-key.ts";
import { KeyNotFoundError, KeyRevokedError } from "./key-errors.ts";
import { hashSecret, parseKey } from "./key-format.ts";
import { describeKey } from "./key-record.ts";
import { listKeys } from "./list-keys.ts";
import { rerollKey } from "./reroll-key.ts";
import { revokeKey } from "./revoke-key.ts";

let database: FreshDatabase;
let db: Database;
const told: string[] = [];
const signals = { publish: (_: string, payload: string) => void told.push(payload) };
const unknownId = "000000000000";

beforeAll(async () => {
  database = await freshDatabase();
  db = openDatabase({
    url: database.url,
    max: 4,
    applicationName: "test",
    onError: () => undefined,
  });
});
afterAll(async () => {
  await db.sql.destroy();
  await database.drop();
});

describe("a key's record", () => {
  test("holds the secret's hash alone", async () => {
    const { record, key } = await createKey(db, { name: "first" });
    const { rows } = await db.pool.query<{ row: string; secret_hash: Buffer }>(
      "SELECT api_keys::text AS row, secret_hash FROM api_keys WHERE id = $1",
      [record.id],
    );
    const { id, secret } = parseKey(key) ?? { id: "", secret: "" };
    expect(id).toBe(record.id);
    expect(rows[0]?.row).not.toContain(secret);
    expect(rows[0]?.row).not.toContain(Buffer.from(secret).toString("hex"));
    expect(rows[0]?.secret_hash).toEqual(hashSecret(secret));
    expect(record.lastFour).toBe(key.slice(-4));
  });

  test("has the default scopes, every engine and the configuration's limit where nothing is said", async () => {
    const { record } = await createKey(db, { name: "defaults" });
    const json = describeKey(record, 1000);
    expect(keySchema.parse(json)).toEqual(json);
    expect(json).toMatchObject({
      name: "defaults",
      scopes: [...defaultScopes],
      engines: null,
      rate_limit: 1000,
      is_active: true,
      expires_at: null,
      last_used_at: null,
      revoked_at: null,
    });
    expect(describeKey(await getKey(db, record.id), 7)).toEqual({ ...json, rate_limit: 7 });
  });

  test("keeps what is said, empty lists too, each once", async () => {
    const { record } = await createKey(db, {
      name: "said",
      scopes: [],
      engines: ["echo", "resize", "echo"],
      rate_limit: null,
      expires_at: "2030-01-01T02:00:00+02:00",
    });
    expect(describeKey(record, 1000)).toMatchObject({
      scopes: [],
      engines: ["echo", "resize"],
      rate_limit: null,
      expires_at: "2030-01-01T00:00:00.000Z",
    });
    expect(record.rateLimit).toBeNull();
  });

  test("changes in the members that are given, and tells the processes", async () => {
    const { record } = await createKey(db, { name: "before", rate_limit: 5 });
    const renamed = await changeKey(db, signals, record.id, { name: "after" });
    expect(renamed).toEqual({ ...record, name: "after" });
    const changed = await changeKey(db, signals, record.id, {
      scopes: ["engines:execute:echo"],
      engines: [],
      rate_limit: null,
      expires_at: "2031-01-01T00:00:00Z",
      is_active: false,
    });
    expect(changed).toMatchObject({
      scopes: ["engines:execute:echo"],
      engines: [],
      rateLimit: null,
      isActive: false,
    });
    const back = await changeKey(db, signals, record.id, {
      engines: null,
      rate_limit: 9,
      expires_at: null,
      is_active: true,
    });
    expect(back).toMatchObject({ engines: null, rateLimit: 9, expiresAt: null, isActive: true });
    expect(await changeKey(db, signals, record.id, {})).toEqual(back);
    expect(told.filter((id) => id === record.id)).toHaveLength(4);
  });

  test("is revoked for good, and stays listed", async () => {
    const { record } = await createKey(db, { name: "revoked" });
    await revokeKey(db, signals, record.id);
    const revoked = await getKey(db, record.id);
    expect(revoked.isActive).toBe(false);
    expect(revoked.revokedAt).toBeInstanceOf(Date);
    await revokeKey(db, signals, record.id);
    expect(await getKey(db, record.id)).toEqual(revoked);
    for (const changes of [{}, { is_active: true }]) {
      await expect(changeKey(db, signals, record.id, changes)).rejects.toThrow(KeyRevokedError);
    }
    await expect(rerollKey(db, signals, record.id)).rejects.toThrow(KeyRevokedError);
    const { keys } = await listKeys(db, { limit: 100, after: null });
    expect(keys.find((key) => key.id === record.id)).toEqual(revoked);
  });

  test("that is not there is said so", async () => {
    for (const id of [unknownId, "", "'; DROP TABLE api_keys; --"]) {
      await expect(getKey(db, id)).rejects.toThrow(KeyNotFoundError);
      await expect(changeKey(db, signals, id, {})).rejects.toThrow(KeyNotFoundError);
      await expect(revokeKey(db, signals, id)).rejects.toThrow(KeyNotFoundError);
      await expect(rerollKey(db, signals, id)).rejects.toThrow(KeyNotFoundError);
    }
  });

  test("is listed once, newest first, however many share a moment", async () => {
    for (let at = 0; at < 7; at++) await createKey(db, { name: `listed ${at}` });
    await db.pool.query(
      "UPDATE api_keys SET created_at = '2030-01-01T00:00:00.123Z' WHERE name LIKE 'listed %'",
    );
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listKeys>> = await listKeys(db, { limit: 2, after });
      expect(page.keys.length).toBeLessThanOrEqual(2);
      seen.push(...page.keys.map((key) => key.id));
      after = page.nextPlace;
    } while (after !== null);
    const { rows } = await db.pool.query<{ id: string }>(
      "SELECT id FROM api_keys ORDER BY created_at DESC, id DESC",
    );
    expect(seen).toEqual(rows.map((row) => row.id));
  });
});

describe("the contract of keys", () => {
  test("a key can have no admin scope, and no member that there is not", () => {
    expect(createKeySchema.safeParse({ name: "x", scopes: ["keys:admin"] }).success).toBe(false);
    expect(createKeySchema.safeParse({ name: "x", caller_id: "plane" }).success).toBe(false);
    expect(changeKeySchema.safeParse({ revoked_at: null }).success).toBe(false);
    expect(changeKeySchema.safeParse({}).success).toBe(true);
    expect(changeKeySchema.safeParse({ name: null }).success).toBe(false);
    expect(createKeySchema.safeParse({ name: "x", rate_limit: 0 }).success).toBe(false);
  });
});
