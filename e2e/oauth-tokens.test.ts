import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client, OutboundCall } from "@tl-engine/client";
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { findSecrets, textOfDatabase } from "../test/everything-kept.ts";
import { freshDatabase, freshRedis, hasRedis, type FreshDatabase } from "../test/services.ts";
import { startDeployment, type Deployment } from "./support/deployment.ts";

// One token for a hundred executions in two workers, one renewal where it is refused (X9), and nothing of it in the clear.

const clientSecret = "cl13nt-s3cret-0123456789";

let database: FreshDatabase;
let deployment: Deployment;
let plane: Client;
let peer: Server;
let origin = "";
/** What the token endpoint gave, in order; the API takes the last one alone. */
const given: string[] = [];
/** How the token endpoint answers instead. */
let refusal: string | null = null;
let refused = 0;

beforeAll(async () => {
  peer = createServer((request, response) => {
    request.resume();
    if (request.url === "/token") {
      response.setHeader("content-type", "application/json");
      if (refusal !== null) {
        response.writeHead(401).end(JSON.stringify({ error: refusal, error_description: "no" }));
        return;
      }
      const token = `acc3ss-t0ken-${given.length + 1}`;
      given.push(token);
      const body = { access_token: token, token_type: "Bearer", expires_in: 3600 };
      response.end(JSON.stringify(body));
      return;
    }
    const isGood = request.headers.authorization === `Bearer ${given.at(-1)}`;
    if (!isGood) refused += 1;
    response.writeHead(isGood ? 200 : 401, { "content-type": "application/json" }).end("{}");
  }).listen(0, "127.0.0.1");
  await once(peer, "listening");
  const host = `127.0.0.1:${(peer.address() as AddressInfo).port}`;
  origin = `http://${host}`;
  database = await freshDatabase();
  deployment = await startDeployment({
    databaseUrl: database.url,
    redisUrl: hasRedis() ? await freshRedis() : null,
    apis: 1,
    workers: 2,
    engines: [],
    env: { TL_OUTBOUND_ALLOW: host, TL_LOG_LEVEL: "debug" },
  });
  plane = deployment.client();
  await plane.connections.create({
    id: "orders",
    kind: "http",
    base_url: origin,
    auth: {
      type: "oauth2_client_credentials",
      token_url: `${origin}/token`,
      client_id: "me",
      client_auth: "post",
      client_secret: clientSecret,
    },
  });
});
afterAll(async () => {
  await deployment?.stop();
  peer?.closeAllConnections();
  peer?.close();
  await database?.drop({ force: true });
});
beforeEach(() => deployment.showLogsOnFailure(onTestFailed));

/** A hundred executions at once, to their end. */
async function hundred(): Promise<string[]> {
  const input = { connection: "orders", url: "/orders", method: "POST", json: {} };
  const ids = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const { execution_id } = await plane.execute("http.request", input, { maxAttempts: 1 });
      return execution_id;
    }),
  );
  for (const id of ids) {
    const ended = await plane.wait(id, { timeoutMs: 60_000 });
    expect(ended).toMatchObject({ status: "succeeded", output: { status: 200 } });
  }
  return ids;
}

/** What is on record of fetches for these executions. */
async function fetchesFor(ids: readonly string[]): Promise<OutboundCall[]> {
  const found: OutboundCall[] = [];
  for await (const call of plane.outboundCalls.list({ purpose: "token" })) {
    if (ids.includes(call.execution_id ?? "")) found.push(call);
  }
  return found;
}

test("a hundred executions in two workers share one token, fetched for one of them", async () => {
  const ids = await hundred();
  expect(given).toHaveLength(1);
  expect(refused).toBe(0);
  const path = "/token";
  expect(await fetchesFor(ids)).toMatchObject([
    { connection: "orders", engine: "http.request", path, method: "POST", status: 200 },
  ]);
});

test("a token that is refused is renewed once for all of them, and no execution fails", async () => {
  given.push("s0mebody-elses");
  const ids = await hundred();
  expect(given).toHaveLength(3);
  expect(refused).toBeGreaterThan(0);
  expect(await fetchesFor(ids)).toHaveLength(1);
});

test("a client that the endpoint does not know fails the execution with what to check", async () => {
  refusal = "invalid_client";
  await plane.connections.change("orders", { description: "changed, so that its token goes" });
  const input = { connection: "orders", url: "/orders" };
  const { execution_id } = await plane.execute("http.request", input);
  const ended = await plane.wait(execution_id, { timeoutMs: 60_000 });
  expect(ended).toMatchObject({
    status: "failed",
    attempt: 1,
    error: {
      code: "upstream_error",
      retryable: false,
      detail: expect.stringMatching(
        /connection orders: the token endpoint .*\/token answered invalid_client \(no\); check client_id/,
      ) as string,
    },
  });
});

test("nothing of it can be read", async () => {
  const kept = await textOfDatabase(database.url);
  for (const one of [...deployment.apis, ...deployment.workers]) {
    kept.push({ place: "log", text: one.text() });
  }
  const secrets = { clientSecret, first: given[0] ?? "", last: given.at(-1) ?? "" };
  expect(findSecrets(kept, secrets)).toEqual([]);
});
