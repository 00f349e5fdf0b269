import type { Connection } from "@tl-engine/outbound";
import { expect, test } from "vitest";
import { createKnownConnections } from "./known-connections.ts";

const connection = (revision: number): Connection => ({
  id: "crm",
  kind: "http",
  revision,
  baseUrl: "https://crm.example",
  headers: {},
  auth: { type: "none" },
  tls: { ca: null, certificate: null, privateKey: null },
  timeouts: { connectMs: 1, firstByteMs: 1, totalMs: 1 },
  retry: { maxRetries: 0, initialMs: 1, maxMs: 1, maxRetryAfterMs: 1 },
  methods: null,
  paths: null,
  concurrency: null,
  rate: null,
  breaker: null,
  log: { bodies: false, maxBodyBytes: 0 },
});

test("an answer counts for whom it was given, and for as long as the worker said", () => {
  let now = 0;
  const known = createKnownConnections(() => now);
  known.put("one", { connection: connection(1), freshMs: 4_000, isClosed: true });
  expect(known.get("one")?.revision).toBe(1);
  expect(known.get("two")).toBeNull();
  now = 3_999;
  expect(known.get("one")).not.toBeNull();
  now = 4_000;
  expect(known.get("one")).toBeNull();
  known.put("one", { connection: connection(1), freshMs: 0, isClosed: true });
  expect(known.get("one")).toBeNull();
});

test("all have one object of a revision, so that its pools are one", () => {
  const known = createKnownConnections(() => 0);
  const given = (revision: number) => ({
    connection: connection(revision),
    freshMs: 1,
    isClosed: true,
  });
  const first = known.put("one", given(1));
  expect(known.put("two", given(1))).toBe(first);
  const second = known.put("one", given(2));
  expect(second).not.toBe(first);
  expect(known.put("two", given(2))).toBe(second);
});

test("what it holds is bounded", () => {
  const known = createKnownConnections(() => 0);
  for (let n = 0; n <= 2_000; n += 1)
    known.put(`caller ${n}`, { connection: connection(1), freshMs: 1, isClosed: true });
  expect(known.get("caller 0")).toBeNull();
  expect(known.get("caller 1")).not.toBeNull();
  expect(known.get("caller 2000")).not.toBeNull();
});
