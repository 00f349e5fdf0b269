import { randomBytes } from "node:crypto";
import type { Problem } from "@tl-engine/contract";
import { openConnection } from "@tl-engine/shared/connections/open-connection.ts";
import { readConnection } from "@tl-engine/shared/connections/read-connection.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase } from "../../../test/services.ts";
import { openTestApi, type TestApi } from "./testing/api.ts";

// One database, and two API processes: one without TL_SECRET_KEY, one with a key that nothing there is under.
let plain: TestApi;
let other: TestApi;
let normal: TestApi;
beforeAll(async () => {
  const database = await freshDatabase();
  normal = await openTestApi({ database });
  plain = await openTestApi({ database, borrowed: true, deps: { secretBox: null } });
  const secretBox = createSecretBox([randomBytes(32).toString("base64")]);
  other = await openTestApi({ database, borrowed: true, deps: { secretBox } });
});
afterAll(async () => {
  const defects = [plain, other, normal].flatMap((api) => api.defects);
  await plain.close();
  await other.close();
  await normal.close();
  expect(defects).toEqual([]);
});

const path = "/api/v1/connections";
const auth = (token?: string) => ({ type: "bearer", ...(token !== undefined && { token }) });
const create = (api: TestApi, id: string, more = {}) =>
  api.ask(path, { json: { id, kind: "http", base_url: "https://x", ...more } });
const patch = (api: TestApi, id: string, json: object) =>
  api.ask(`${path}/${id}`, { method: "PATCH", json });

test("without a key connections work as far as they have no secrets", async () => {
  expect((await create(plain, "bare")).status).toBe(201);
  expect((await patch(plain, "bare", { base_url: "https://y" })).status).toBe(200);
  const refused = await create(plain, "secret", { auth: auth("s") });
  const problem = (await refused.json()) as Problem;
  expect([refused.status, problem.code]).toEqual([503, "unavailable"]);
  expect(problem.detail).toContain("TL_SECRET_KEY is not set");
  expect((await plain.ask(`${path}/secret`)).status).toBe(404);
});

test("without the key a connection with secrets is shown, changed and removed all the same", async () => {
  await create(normal, "crm", { auth: auth("s") });
  for (const api of [plain, other]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await api.ask(`${path}/crm`)).status).toBe(200);
    // oxlint-disable-next-line no-await-in-loop
    expect((await patch(api, "crm", { is_active: false, headers: { a: "b" } })).status).toBe(200);
  }
  expect((await patch(plain, "crm", { auth: auth() })).status).toBe(503);
  const kept = await readConnection(normal.stack.db.pool, "crm");
  expect(openConnection(kept!, normal.deps.secretBox).auth).toMatchObject({ token: "s" });
});

test("a secret that cannot be read cannot stay, and can be given anew", async () => {
  await create(normal, "lost", { auth: auth("s") });
  const unread = await patch(other, "lost", { auth: auth() });
  const { errors } = (await unread.json()) as Problem;
  expect([unread.status, errors?.[0]?.detail]).toEqual([
    422,
    expect.stringContaining("cannot be read"),
  ]);
  expect((await patch(other, "lost", { auth: auth("new") })).status).toBe(200);
  const kept = await readConnection(normal.stack.db.pool, "lost");
  expect(openConnection(kept!, other.deps.secretBox).auth).toMatchObject({ token: "new" });
});

test("a test needs a worker that serves its engine, and a kind of call that changes nothing", async () => {
  await create(normal, "ro", { methods: ["POST"] });
  const write = await normal.ask(`${path}/ro/test`, { method: "POST" });
  expect([write.status, await write.text()]).toEqual([
    422,
    expect.stringContaining("neither GET nor HEAD"),
  ]);
  const alone = await normal.ask(`${path}/bare/test`, { json: { path: "/health" } });
  expect([alone.status, await alone.text()]).toEqual([503, expect.stringContaining("No worker")]);
  for (const json of [null, [], { path: "health" }, { path: "/a b" }, { bogus: 1 }]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await normal.ask(`${path}/bare/test`, { json })).status).toBe(422);
  }
});
