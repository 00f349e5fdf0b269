import { type Connection } from "../ports.ts";

/** A connection with the defaults that most tests want. */
export function testConnection(facts: Partial<Connection> = {}): Connection {
  return {
    id: "crm",
    kind: "http",
    revision: 1,
    baseUrl: "https://crm.test/v2",
    headers: {},
    auth: { type: "none" },
    tls: { ca: null, certificate: null, privateKey: null },
    timeouts: { connectMs: 5000, firstByteMs: 10_000, totalMs: 10_000 },
    retry: { maxRetries: 0, initialMs: 100, maxMs: 1000, maxRetryAfterMs: 60_000 },
    methods: null,
    paths: null,
    concurrency: null,
    rate: null,
    breaker: null,
    log: { bodies: false, maxBodyBytes: 4096 },
    ...facts,
  };
}
