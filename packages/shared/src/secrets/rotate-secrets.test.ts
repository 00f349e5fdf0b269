import { randomBytes, randomUUID } from "node:crypto";
import { createConnectionSchema } from "@tl-engine/contract";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { createConnection } from "../connections/create-connection.ts";
import { openConnection } from "../connections/open-connection.ts";
import { readConnection } from "../connections/read-connection.ts";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { checkStoredSecrets } from "../doctor/stored-secret-checks.ts";
import { rotateSecrets } from "./rotate-secrets.ts";
import { sealedColumns } from "./sealed-columns.ts";
import { createSecretBox } from "./secret-box.ts";

const [oldKey, newKey, lostKey] = [0, 1, 2].map(() => randomBytes(32).toString("base64")) as [
  string,
  string,
  string,
];
const [oldBox, newBox, lostBox] = [oldKey, newKey, lostKey].map((key) =>
  createSecretBox([key]),
) as [
  ReturnType<typeof createSecretBox>,
  ReturnType<typeof createSecretBox>,
  ReturnType<typeof createSecretBox>,
];
const both = createSecretBox([newKey, oldKey]);

let database: FreshDatabase;
let db: Database;
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
  await closeDatabase(db);
  await database.drop();
});
beforeEach(() =>
  db.pool.query(`TRUNCATE ${[...new Set(sealedColumns.map(({ table }) => table))].join()} CASCADE`),
);

const signals = { publish: () => undefined };
const make = (id: string, box: typeof oldBox) =>
  createConnection(
    { db, signals, box },
    createConnectionSchema.parse({
      id,
      kind: "http",
      base_url: "https://x",
      auth: { type: "bearer", token: `token-${id}` },
    }),
  );
const tokenOf = async (id: string, box: typeof oldBox) => {
  const { auth } = openConnection((await readConnection(db.pool, id))!, box);
  return auth.type === "bearer" ? auth.token : null;
};
const ofConnections = async (box = both) =>
  (await rotateSecrets(db.pool, box)).find(({ table }) => table === "connections");
const levels = async (secretKeys: string[]) =>
  (await checkStoredSecrets(db.pool, { secretKeys })).map(({ id, level }) => [id, level]);

describe("rotation", () => {
  test("moves every envelope to the first key, over as many pages as there are, once", async () => {
    const ids = Array.from({ length: 1_003 }, (_, n) => `c${n}`);
    await Promise.all(ids.map((id) => make(id, oldBox)));
    await make("newer", newBox);
    const before = await readConnection(db.pool, "c7");
    expect(await ofConnections()).toEqual({
      table: "connections",
      column: "secrets",
      total: 1_004,
      rotated: 1_003,
      unreadable: {},
    });
    expect(await ofConnections()).toMatchObject({ total: 1_004, rotated: 0 });
    expect(await tokenOf("c7", newBox)).toBe("token-c7");
    expect(await tokenOf("newer", newBox)).toBe("token-newer");
    // Nothing that was derived from the connection has to be made anew.
    expect((await readConnection(db.pool, "c7"))?.revision).toBe(before?.revision);
  });

  test("leaves what it cannot read as it is, and counts it", async () => {
    await make("a", oldBox);
    await make("b", lostBox);
    await make("c", oldBox);
    await db.pool.query(
      "UPDATE connections SET secrets = (SELECT secrets FROM connections WHERE id = 'a') WHERE id = 'c'",
    );
    expect(await ofConnections()).toMatchObject({
      total: 3,
      rotated: 1,
      unreadable: { unknown_key: 1, tampered: 1 },
    });
    expect(await tokenOf("b", lostBox)).toBe("token-b");
  });

  test("changes nothing that was changed while it ran", async () => {
    await make("a", oldBox);
    const changed = newBox.seal(
      JSON.stringify({ auth: { token: "entered meanwhile" }, tls: {} }),
      "connection:a",
    );
    const pool = {
      query: async (text: string, values: unknown[]) => {
        if (text.startsWith("UPDATE connections")) {
          await db.pool.query("UPDATE connections SET secrets = $1 WHERE id = 'a'", [changed]);
        }
        return db.pool.query(text, values);
      },
    };
    const [first] = await rotateSecrets(pool as unknown as typeof db.pool, both);
    expect(first).toMatchObject({ table: "connections", total: 1, rotated: 0 });
    expect(await tokenOf("a", newBox)).toBe("entered meanwhile");
  });

  test("covers every column that holds envelopes: in each a row is sealed anew", async () => {
    const { rows } = await db.pool.query<{ place: string }>(
      `SELECT c.conrelid::regclass || '.' || a.attname AS place FROM pg_constraint c
       JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
       WHERE pg_get_constraintdef(c.oid) LIKE '%v1.%'`,
    );
    const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`);
    expect(listed).toEqual(expect.arrayContaining(rows.map(({ place }) => place)));

    await make("a", oldBox);
    const endpoint = `whe_${"a".repeat(24)}`;
    const call = randomUUID();
    const sealed = (context: string) => oldBox.seal("secret", context);
    await db.pool.query(
      `INSERT INTO webhook_endpoints (id, caller_id, url, secret, previous_secret, previous_ends_at)
       VALUES ($1, 'plane', 'https://x', $2, $2, now())`,
      [endpoint, sealed(`webhook-endpoint:${endpoint}`)],
    );
    await db.pool.query(
      `INSERT INTO callback_secrets (caller_id, secret, previous_secret, previous_ends_at)
       VALUES ('plane', $1, $1, now())`,
      [sealed("callback-secret:plane")],
    );
    await db.pool.query(
      `INSERT INTO outbound_calls (execution_id, attempt, dispatch, protocol, method, host, path, started_at, duration_ms,
         bytes_sent, bytes_received, try, call_id, resend)
       VALUES ($1, 1, 1, 'http', 'GET', 'x', '/', now(), 1, 1, 1, 1, $2, $3)`,
      [randomUUID(), call, sealed(`outbound-call:${call}`)],
    );
    await db.pool.query(
      "INSERT INTO oauth_tokens (connection_id, revision, tokens) VALUES ('a', 1, $1)",
      [sealed("oauth-token:a")],
    );
    const all = await rotateSecrets(db.pool, both);
    expect(all.map(({ table, column, rotated }) => [`${table}.${column}`, rotated])).toEqual(
      listed.map((place) => [place, 1]),
    );
  });
});

describe("the doctor", () => {
  test("tells stored secrets under the current key, the old one, an unknown one, and none", async () => {
    expect(await levels([])).toEqual([["secrets.stored", "ok"]]);
    await make("a", oldBox);
    expect(await levels([])).toEqual([["secrets.stored", "error"]]);
    expect(await levels([oldKey])).toEqual([["secrets.stored", "ok"]]);
    expect(await levels([newKey, oldKey])).toEqual([["secrets.rotation", "warning"]]);
    expect(await levels([newKey])).toEqual([["secrets.stored", "error"]]);
    await rotateSecrets(db.pool, both);
    expect(await levels([newKey])).toEqual([["secrets.stored", "ok"]]);
  });
});
