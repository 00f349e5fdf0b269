import { randomBytes } from "node:crypto";
import { createConnectionSchema, type CreateConnectionBody } from "@tl-engine/contract";
import type { StoredConnection } from "@tl-engine/shared/connections/read-connection.ts";
import { sealSecrets } from "@tl-engine/shared/connections/sealed-secrets.ts";
import { settleNew } from "@tl-engine/shared/connections/settle-connection.ts";
import { createSecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { createConnectionSource, type ConnectionSource } from "./connection-source.ts";
import type { AskingExecution } from "./may-use.ts";

const box = createSecretBox([randomBytes(32).toString("base64")]);
const { signal } = new AbortController();
const named = { connection: "crm", protocol: "http" } as const;
const execution: AskingExecution = {
  executionId: "e",
  callerId: "key:0123456789ab",
  engine: { engineId: "sync", uses: ["http"] },
};

/** As the record has it. */
function stored(settings: Partial<CreateConnectionBody> = {}, revision = 1): StoredConnection {
  const wanted = createConnectionSchema.parse({
    id: "crm",
    kind: "http",
    base_url: "https://crm.example/v2",
    auth: { type: "bearer", token: `token-${revision}` },
    ...settings,
  });
  const { config, secrets } = settleNew(wanted, Date.now());
  return {
    id: wanted.id,
    kind: wanted.kind,
    config,
    secrets: secrets && sealSecrets(wanted.id, secrets, box),
    revision,
    is_active: wanted.is_active,
    engines: config.engines,
    callers: config.callers,
  };
}

let reads: number;
let now: number;
let read: () => Promise<StoredConnection | null>;
let errors: unknown[];
let source: ConnectionSource;

beforeEach(() => {
  reads = 0;
  now = 0;
  errors = [];
  source = open(box);
});

function open(withBox: typeof box | null): ConnectionSource {
  return createConnectionSource({
    read: () => {
      reads += 1;
      return read();
    },
    box: withBox,
    onError: (error) => errors.push(error),
    now: () => now,
  });
}

const find = (who = execution, what: Parameters<ConnectionSource["find"]>[1] = named) =>
  source.find(who, what, signal);

test("what was read is good for 4 s, for all who ask meanwhile, and then is read anew", async () => {
  read = async () => stored();
  const [first, second] = await Promise.all([find(), find()]);
  expect(first.connection.auth).toEqual({ type: "bearer", token: "token-1" });
  expect(second.connection).toBe(first.connection);
  expect(first.freshMs).toBe(4_000);
  now = 3_999;
  expect((await find()).freshMs).toBe(1);
  expect(reads).toBe(1);
  now = 4_000;
  const again = await find();
  expect(reads).toBe(2);
  // Unchanged: the same object, so that what hangs on it stays.
  expect(again.connection).toBe(first.connection);

  read = async () => stored({ is_active: false }, 2);
  now = 8_000;
  await expect(find()).rejects.toMatchObject({ code: "outbound_refused" });
});

test("a change counts at once; what was being read meanwhile is good for once", async () => {
  const slow = Promise.withResolvers<StoredConnection>();
  read = () => slow.promise;
  const before = find();
  source.changed("crm");
  slow.resolve(stored());
  expect((await before).freshMs).toBe(0);
  read = async () => stored({}, 2);
  expect((await find()).connection.revision).toBe(2);
  read = async () => stored({}, 3);
  source.changed("other");
  expect((await find()).connection.revision).toBe(2);
  source.changed(null);
  expect((await find()).connection.revision).toBe(3);
});

describe("one text for all who may not", () => {
  const refusals = async (): Promise<string> =>
    find().then(
      () => "it was given",
      (error: Error) => error.message,
    );
  test("whatever the reason", async () => {
    const texts = new Set<string>();
    const kept: [string, StoredConnection | null][] = [
      ["none", null],
      ["off", stored({ is_active: false })],
      ["another engine's", stored({ engines: ["other"] })],
      ["another caller's", stored({ callers: ["plane"] })],
      ["of another kind", stored({ kind: "grpc", base_url: "grpcs://crm.example" })],
    ];
    for (const [why, one] of kept) {
      source = open(box);
      read = async () => one;
      const text = await refusals();
      expect(`${why}: ${text}`).toContain('there is no http connection "crm" for this execution');
      texts.add(text);
    }
    expect(texts.size).toBe(1);
  });

  test("and for an engine that did not say that it uses it", async () => {
    read = async () => stored();
    const uses = (...words: string[]) =>
      find({ ...execution, engine: { engineId: "sync", uses: words } }).then(
        () => true,
        () => false,
      );
    expect(await uses("http:crm")).toBe(true);
    expect(await uses("grpc", "http")).toBe(true);
    for (const words of [[], ["http:erp"], ["grpc"], ["grpc:crm"]]) {
      expect(await uses(...words)).toBe(false);
    }
  });
});

test("secrets that can't be read here fail the call, may be tried elsewhere, and are reported", async () => {
  read = async () => stored();
  for (const other of [null, createSecretBox([randomBytes(32).toString("base64")])]) {
    source = open(other);
    await expect(find()).rejects.toMatchObject({ code: "connection_failed", retryable: true });
  }
  expect(errors).toHaveLength(2);
});

test("what could not be read is read again by the next one", async () => {
  read = () => Promise.reject(new Error("syntax error"));
  await expect(find()).rejects.toThrow("syntax error");
  read = async () => stored();
  expect((await find()).connection.id).toBe("crm");
});

test("who gives up does not keep the others from it", async () => {
  const slow = Promise.withResolvers<StoredConnection>();
  read = () => slow.promise;
  const impatient = new AbortController();
  const first = source.find(execution, named, impatient.signal);
  const second = find();
  impatient.abort(new Error("gone"));
  await expect(first).rejects.toThrow("gone");
  slow.resolve(stored());
  expect((await second).connection.id).toBe("crm");
});
