import { spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Connection, ConnectionAuth } from "@tl-engine/outbound";
import {
  CLIENT_SECRET,
  startAuthorizationServer,
  type AuthorizationServer,
} from "@tl-engine/outbound/testing/authorization-server.ts";
import { startHttp, type LoopbackServer } from "@tl-engine/outbound/testing/loopback-server.ts";
import { findSecrets, textOfDatabase } from "../../../../test/everything-kept.ts";
import { cuttable } from "../testing/cuttable.ts";
import { fetchLeaseMs } from "./oauth-tokens.ts";
import { deafSignals } from "./test-support/deaf-signals.ts";
import { makeTokenBed, type TokenBed, type TokenWorker } from "./test-support/token-bed.ts";

let bed: TokenBed;
let server: AuthorizationServer;
/** Of the servers that a test brings itself. */
const own: LoopbackServer[] = [];
beforeAll(async () => {
  server = await startAuthorizationServer();
});
beforeAll(async () => {
  bed = await makeTokenBed(() => [server.server, ...own].map(({ host }) => host).join(" "));
});
afterEach(async () => {
  server.onFetch = () => {};
  await Promise.all(own.splice(0).map((each) => each.close()));
});
afterAll(async () => {
  await bed.close();
  await server.close();
});

type OAuth = Extract<ConnectionAuth, { tokenUrl: string }>;

const byClient = (facts = {}): OAuth => ({
  type: "oauth2_client_credentials",
  ...server.client("basic", facts),
});

async function byRefreshToken(): Promise<OAuth & { refreshToken: string }> {
  const client = server.client("basic");
  const refreshToken = await server.newRefreshToken(client.clientId);
  return { type: "oauth2_refresh_token", refreshToken, ...client };
}

/** How many requests `work` costs the certified server. */
async function fetchesOf(work: () => Promise<unknown>): Promise<number> {
  const before = server.fetches();
  await work();
  return server.fetches() - before;
}

/** The same question a hundred times from each worker at once. */
function askAll(workers: readonly TokenWorker[], connection: Connection, stale?: string) {
  return Promise.all(
    workers.flatMap((worker) => Array.from({ length: 100 }, () => worker.ask(connection, stale))),
  );
}

/** A token endpoint of the test's own: each request waits for what the test says. */
async function ownEndpoint(
  answer: (request: IncomingMessage, response: ServerResponse, number: number) => unknown,
): Promise<{ auth: OAuth; requests(): number; used: (string | null)[] }> {
  let requests = 0;
  /** The refresh tokens that came. */
  const used: (string | null)[] = [];
  const started = await startHttp((request, response) => {
    const number = ++requests;
    void text(request).then((form) => {
      used.push(new URLSearchParams(form).get("refresh_token"));
      return answer(request, response, number);
    });
  });
  own.push(started);
  return {
    requests: () => requests,
    used,
    auth: { ...(await byRefreshToken()), tokenUrl: `${started.origin}/token` },
  };
}

function give(response: ServerResponse, body: object, status = 200, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

describe("a token", () => {
  test("is fetched once for a hundred parallel callers in each of two workers", async () => {
    const workers = [bed.worker(), bed.worker()];
    const connection = await bed.connect(byClient());
    let tokens: string[] = [];
    expect(await fetchesOf(async () => (tokens = await askAll(workers, connection)))).toBe(1);
    expect(new Set(tokens).size).toBe(1);
    expect(await server.isGood(tokens[0] ?? "")).toBe(true);
    // And it stays in memory: nobody asks Postgres for it again.
    await bed.sql(`DELETE FROM oauth_tokens WHERE connection_id = '${connection.id}'`);
    expect(await fetchesOf(() => askAll(workers, connection))).toBe(0);
  });

  test("is fetched once where no signal arrives", async () => {
    const workers = [bed.worker({ signals: deafSignals }), bed.worker({ signals: deafSignals })];
    const connection = await bed.connect(byClient());
    expect(await fetchesOf(() => askAll(workers, connection))).toBe(1);
  });

  test("costs those who wait for another worker's fetch a look now and then", async () => {
    const [one, other] = [bed.worker(), bed.worker({ signals: deafSignals })];
    const connection = await bed.connect(byClient());
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    server.onFetch = () => {
      arrive();
      return released;
    };
    const first = one.ask(connection);
    await arrived;
    const all = askAll([other], connection);
    // Long enough for some hundred looks by whoever does not wait between them.
    await bed.sql("SELECT pg_sleep(0.5)");
    release();
    expect(new Set(await all)).toEqual(new Set([await first]));
    // A hundred callers, each of whom would have asked more than once.
    expect(other.statements()).toBeLessThan(50);
  });

  test("is put on record once, for an execution that needs it", async () => {
    const workers = [bed.worker(), bed.worker()];
    const connection = await bed.connect(byClient());
    await askAll(workers, connection);
    expect(workers.flatMap(({ calls }) => calls)).toEqual([
      expect.objectContaining({
        purpose: "token",
        connection: connection.id,
        execution_id: expect.stringMatching(/^e-\d+$/) as string,
        attempt: 1,
        status: 200,
      }),
    ]);
  });

  test("that was refused is renewed once for a hundred parallel refusals in each of two workers", async () => {
    const workers = [bed.worker(), bed.worker()];
    const connection = await bed.connect(byClient());
    const [refused = ""] = await askAll(workers, connection);
    let tokens: string[] = [];
    const fetches = await fetchesOf(async () => {
      tokens = await askAll(workers, connection, refused);
    });
    expect(fetches).toBe(1);
    expect(new Set(tokens).size).toBe(1);
    expect(tokens).not.toContain(refused);
    // Whoever comes late with the old one gets the new one, and so does a worker that knows of nothing.
    const late = [...workers, bed.worker()];
    expect(
      await fetchesOf(
        async () => (tokens = tokens.concat(await askAll(late, connection, refused))),
      ),
    ).toBe(0);
    expect(new Set(tokens).size).toBe(1);
  });

  test("that was refused is given to nobody while the next one is fetched", async () => {
    const [one, other] = [bed.worker(), bed.worker()];
    const connection = await bed.connect(byClient());
    const refused = await one.ask(connection);
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    server.onFetch = () => {
      arrive();
      return released;
    };
    const renewed = one.ask(connection, refused);
    await arrived;
    const others = [one.ask(connection), other.ask(connection)];
    release();
    expect(new Set(await Promise.all([renewed, ...others])).size).toBe(1);
    expect(await renewed).not.toBe(refused);
  });

  test("that is refused like the one before is not renewed for each call", async () => {
    let time = 0;
    const worker = bed.worker({ now: () => time, random: () => 1 });
    const connection = await bed.connect(byClient());
    const second = await worker.ask(connection, await worker.ask(connection));
    const fetches = await fetchesOf(async () => {
      const refusals = Array.from({ length: 20 }, () => worker.ask(connection, second));
      for (const refusal of await Promise.allSettled(refusals)) {
        expect(refusal).toMatchObject({
          status: "rejected",
          reason: { code: "upstream_error", retryable: true, retryAfterMs: 1_000 },
        });
      }
    });
    expect(fetches).toBe(0);
    // Those for whom it works still have it, and later it may be renewed.
    expect(await worker.ask(connection)).toBe(second);
    time += 1_001;
    await bed.sql(
      `UPDATE oauth_tokens SET obtained_at = now() - interval '2 s' WHERE connection_id = '${connection.id}'`,
    );
    expect(await fetchesOf(() => worker.ask(connection, second))).toBe(1);
  });

  test("is renewed before its end by one of all workers, while the old one serves", async () => {
    let time = 0;
    const clock = { now: () => time };
    const workers = [bed.worker(clock), bed.worker(clock)];
    const connection = await bed.connect(byClient());
    const [old] = await askAll(workers, connection);
    time += 3_500_000;
    await bed.sql(
      `UPDATE oauth_tokens SET renew_at = now(), expires_at = now() + interval '100 s' WHERE connection_id = '${connection.id}'`,
    );
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    server.onFetch = () => {
      arrive();
      return released;
    };
    const fetches = await fetchesOf(async () => {
      expect(new Set(await askAll(workers, connection))).toEqual(new Set([old]));
      await arrived;
      expect(new Set(await askAll(workers, connection))).toEqual(new Set([old]));
      release();
      await expect.poll(() => askAll(workers, connection), { timeout: 10_000 }).not.toContain(old);
    });
    expect(fetches).toBe(1);
  });

  test("that is over is fetched anew", async () => {
    let time = 0;
    const worker = bed.worker({ now: () => time });
    const connection = await bed.connect(byClient());
    const old = await worker.ask(connection);
    time += 3_600_000;
    await bed.sql(
      `UPDATE oauth_tokens SET renew_at = now(), expires_at = now() WHERE connection_id = '${connection.id}'`,
    );
    expect(await worker.ask(connection)).not.toBe(old);
  });

  test("is not there for an older form of the connection, and not taken over by a newer one", async () => {
    const worker = bed.worker();
    const old = await bed.connect(byClient());
    const first = await worker.ask(old);
    const changed = await bed.change(old);
    expect(await fetchesOf(() => worker.ask(changed))).toBe(1);
    expect(await worker.ask(changed)).not.toBe(first);
    const refused = { code: "connection_failed", retryable: true };
    await expect(worker.ask(old)).rejects.toMatchObject(refused);
    await expect(bed.worker().ask(old)).rejects.toMatchObject(refused);
  });

  test("goes with its connection", async () => {
    const connection = await bed.connect(byClient());
    await bed.worker().ask(connection);
    await bed.sql(`DELETE FROM connections WHERE id = '${connection.id}'`);
    const left = `SELECT 1 FROM oauth_tokens WHERE connection_id = '${connection.id}'`;
    expect(await bed.sql(left)).toEqual([]);
    await expect(bed.worker().ask(connection)).rejects.toMatchObject({ code: "connection_failed" });
  });

  test("comes for the others when one of them gives up", async () => {
    const worker = bed.worker();
    const connection = await bed.connect(byClient());
    const ending = new AbortController();
    server.onFetch = () => ending.abort(new Error("canceled"));
    const [first, second] = await Promise.allSettled([
      worker.ask(connection, null, ending.signal),
      worker.ask(connection),
    ]);
    expect(first).toMatchObject({ status: "rejected", reason: { message: "canceled" } });
    expect(second).toMatchObject({ status: "fulfilled" });
  });

  test("is fetched anew where its envelope cannot be read, and nothing breaks", async () => {
    const connection = await bed.connect(byClient());
    await bed.worker().ask(connection);
    const stranger = bed.worker({ boxKeys: [Buffer.alloc(32, 7).toString("base64")] });
    expect(await fetchesOf(() => stranger.ask(connection))).toBe(1);
    expect(stranger.errors).toMatchObject([{ reason: "unknown_key" }]);
  });

  test("can be read nowhere, nor can what it was fetched with", async () => {
    const worker = bed.worker();
    const auth = await byRefreshToken();
    const connection = await bed.connect(auth);
    const first = await worker.ask(connection);
    const second = await worker.ask(connection, first);
    const kept = await textOfDatabase(bed.databaseUrl);
    const said = JSON.stringify([worker.calls, worker.errors]);
    const secrets = {
      first,
      second,
      refreshToken: auth.refreshToken,
      clientSecret: CLIENT_SECRET,
    };
    expect(findSecrets([...kept, { place: "log", text: said }], secrets)).toEqual([]);
    expect(kept.find(({ place }) => place.includes("oauth_tokens"))?.text).toMatch(/v1\./);
  });
});

describe("a refresh token", () => {
  test("that changes with each use is kept, and the newest is used by all workers", async () => {
    const workers = [bed.worker(), bed.worker()];
    const connection = await bed.connect(await byRefreshToken());
    let token = await workers[0]?.ask(connection);
    for (const worker of [...workers, ...workers]) {
      await bed.sql("UPDATE oauth_tokens SET refusals = 0, obtained_at = now() - interval '1 h'");
      // A worker that knows of nothing, so that all comes from the record.
      const next = await bed.worker().ask(connection, token);
      expect(await server.isGood(next)).toBe(true);
      // It hears of it by a signal, which takes its time.
      await expect.poll(() => worker.ask(connection), { timeout: 10_000 }).toBe(next);
      token = next;
    }
  });

  test("outlives a change of the connection that leaves the grant alone", async () => {
    const worker = bed.worker();
    const connection = await bed.connect(await byRefreshToken());
    await worker.ask(connection);
    const changed = await bed.change(connection, { methods: ["GET"] });
    expect(await server.isGood(await worker.ask(changed))).toBe(true);
  });

  test("that an operator gives anew is used in place of the one that was kept", async () => {
    const { auth, used } = await ownEndpoint((_request, response, number) =>
      give(response, {
        access_token: `t${number}`,
        token_type: "bearer",
        refresh_token: `r${number}`,
      }),
    );
    const worker = bed.worker();
    const first = await bed.connect({ ...auth, refreshToken: "first" } as OAuth);
    await worker.ask(first);
    const second = await bed.change(first, { methods: ["GET"] });
    await worker.ask(second);
    const third = await bed.change(second, { auth: { ...auth, refreshToken: "anew" } as OAuth });
    await worker.ask(third);
    expect(used).toEqual(["first", "r1", "anew"]);
  });

  test("that is no longer accepted is an error that says what to do, and is not tried for each call", async () => {
    const workers = [bed.worker(), bed.worker()];
    const auth = await byRefreshToken();
    const connection = await bed.connect(auth);
    await server.forget(auth.refreshToken);
    const fetches = await fetchesOf(async () => {
      for (const asked of await Promise.allSettled(
        workers.flatMap((worker) => Array.from({ length: 50 }, () => worker.ask(connection))),
      )) {
        expect(asked).toMatchObject({
          status: "rejected",
          reason: {
            code: "upstream_error",
            retryable: false,
            message: expect.stringMatching(/invalid_grant.*set refresh_token/) as string,
          },
        });
      }
    });
    expect(fetches).toBe(1);
  });

  test("that somebody else has renewed meanwhile is no error: his token is taken", async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { auth, requests } = await ownEndpoint(async (_request, response, number) => {
      if (number === 1) {
        arrive();
        await released;
        give(response, { error: "invalid_grant" }, 400);
      } else {
        give(response, { access_token: "theirs", token_type: "bearer", refresh_token: "r2" });
      }
    });
    const connection = await bed.connect(auth);
    // Its fetch is taken for lost at once, as if it had been frozen.
    const slow = bed.worker({ leaseMs: 0 }).ask(connection);
    await arrived;
    expect(await bed.worker().ask(connection)).toBe("theirs");
    release();
    expect(await slow).toBe("theirs");
    expect(requests()).toBe(2);
  });

  test("that was replaced by an operator meanwhile fails for a moment alone", async () => {
    const changing = { change: async (): Promise<unknown> => undefined };
    const { auth } = await ownEndpoint(async (_request, response) => {
      await changing.change();
      give(response, { error: "invalid_grant" }, 400);
    });
    const connection = await bed.connect(auth);
    changing.change = () => bed.change(connection);
    await expect(bed.worker().ask(connection)).rejects.toMatchObject({
      code: "connection_failed",
      retryable: true,
    });
  });

  test("is kept although the endpoint gives the refused access token once more", async () => {
    const { auth, requests } = await ownEndpoint((_request, response, number) =>
      give(response, { access_token: "same", token_type: "bearer", refresh_token: `r${number}` }),
    );
    const worker = bed.worker({ random: () => 1 });
    const connection = await bed.connect(auth);
    const same = await worker.ask(connection);
    const again = worker.ask(connection, same);
    await expect(again).rejects.toMatchObject({ code: "upstream_error", retryable: true });
    await expect(again).rejects.toThrow(/gives the token again that is refused/);
    await expect(worker.ask(connection)).rejects.toThrow(/gives the token again/);
    expect(requests()).toBe(2);
    const kept = "SELECT generation::int FROM oauth_tokens WHERE connection_id = ";
    expect(await bed.sql(`${kept}'${connection.id}'`)).toEqual([{ generation: 2 }]);
  });
});

describe("an endpoint that fails", () => {
  const failing = { status: 503, headers: {} };
  const broken = () =>
    ownEndpoint((_request, response) => {
      if (failing.status === 200) give(response, { access_token: "at-last", token_type: "bearer" });
      else give(response, {}, failing.status, failing.headers);
    });

  test("is asked once for all, left in peace, and asked again", async () => {
    Object.assign(failing, { status: 503, headers: {} });
    const { auth, requests } = await broken();
    const workers = [bed.worker({ random: () => 1 }), bed.worker({ random: () => 1 })];
    const connection = await bed.connect(auth);
    const fail = async (): Promise<void> => {
      const asked = workers.flatMap((worker) =>
        Array.from({ length: 100 }, () => worker.ask(connection)),
      );
      for (const each of await Promise.allSettled(asked)) {
        expect(each).toMatchObject({
          status: "rejected",
          reason: { code: "upstream_error", retryable: true },
        });
      }
    };
    await fail();
    expect(requests()).toBe(1);
    await fail();
    expect(requests()).toBe(1);

    const past = `UPDATE oauth_tokens SET retry_at = now() WHERE connection_id = '${connection.id}'`;
    await bed.sql(past);
    await fail();
    expect(requests()).toBe(2);
    await bed.sql(past);
    failing.status = 200;
    expect(new Set(await askAll(workers, connection))).toEqual(new Set(["at-last"]));
    const row = `SELECT failures, retry_at, last_error FROM oauth_tokens WHERE connection_id = '${connection.id}'`;
    expect(await bed.sql(row)).toEqual([{ failures: 0, retry_at: null, last_error: null }]);
  });

  test("parks who needs it where it asks for more time than is worth a slot", async () => {
    Object.assign(failing, { status: 429, headers: { "retry-after": "300" } });
    const { auth } = await broken();
    const connection = await bed.connect(auth);
    const parks = {
      retryable: true,
      park: { reason: "retry_after", blockedBy: `connection:${connection.id}` },
    };
    await expect(bed.worker().ask(connection)).rejects.toMatchObject({
      ...parks,
      park: { ...parks.park, delayMs: 300_000 },
    });
    await expect(bed.worker().ask(connection)).rejects.toMatchObject(parks);
  });

  test("does not take away the token that still serves", async () => {
    Object.assign(failing, { status: 200, headers: {} });
    let time = 0;
    const { auth, requests } = await broken();
    const worker = bed.worker({ now: () => time });
    const connection = await bed.connect(auth);
    await worker.ask(connection);
    failing.status = 503;
    time += 280_000;
    await bed.sql(
      `UPDATE oauth_tokens SET renew_at = now() WHERE connection_id = '${connection.id}'`,
    );
    const serve = async (): Promise<void> => {
      for (const token of await askAll([worker], connection)) expect(token).toBe("at-last");
    };
    await serve();
    await expect
      .poll(() => worker.errors, { timeout: 10_000 })
      .toMatchObject([{ code: "upstream_error" }]);
    await serve();
    expect(requests()).toBe(2);
    // Nor does it make each call ask Postgres whether it may be tried again.
    const before = worker.statements();
    for (let n = 0; n < 100; n++) {
      await worker.ask(connection);
      // As long as a look would take.
      await bed.sql("SELECT 1");
    }
    expect(worker.statements() - before).toBeLessThan(20);
  });
});

describe("Postgres, away between fetch and keeping", () => {
  test("costs nobody the token, and it is kept when it is back", async () => {
    const way = await cuttable(bed.databaseUrl);
    const worker = bed.worker({ databaseUrl: way.url, signals: deafSignals });
    const connection = await bed.connect(await byRefreshToken());
    server.onFetch = () => way.refuse();
    const token = await worker.ask(connection);
    expect(await server.isGood(token)).toBe(true);
    expect(await worker.ask(connection)).toBe(token);
    expect(worker.errors.length).toBeGreaterThan(0);
    way.accept();
    const row = `SELECT generation::int FROM oauth_tokens WHERE connection_id = '${connection.id}'`;
    await expect.poll(() => bed.sql(row), { timeout: 10_000 }).toEqual([{ generation: 1 }]);
    expect(await bed.worker().ask(connection)).toBe(token);
    await way.close();
  });

  test("is said to whoever needs one, as something that passes", async () => {
    const way = await cuttable(bed.databaseUrl);
    way.refuse();
    const worker = bed.worker({ databaseUrl: way.url, signals: deafSignals });
    const connection = await bed.connect(byClient());
    const failed = worker.ask(connection);
    await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    await expect(failed).rejects.toThrow(/the database is away/);
    await way.close();
  });
});

/** Runs a worker that is killed as soon as the endpoint has answered, before anything of it is kept. */
async function fetchAndDie(connection: Connection): Promise<void> {
  const facts = {
    connection,
    databaseUrl: bed.databaseUrl,
    boxKey: bed.boxKey,
    allow: [server.server, ...own].map(({ host }) => host).join(" "),
    // What another worker waits until it fetches by itself.
    leaseMs: 1_000,
  };
  const program = fileURLToPath(import.meta.resolve("./test-support/fetch-and-die.ts"));
  const child = spawn(process.execPath, [program, JSON.stringify(facts)], { stdio: "inherit" });
  const [, signal] = await once(child, "exit");
  expect(signal).toBe("SIGKILL");
}

describe("a worker that is killed between fetch and keeping", () => {
  const asFetched = "SELECT generation::int, fetching_by IS NOT NULL AS is_held FROM oauth_tokens";

  test("holds the others up no longer than its fetch counts, and costs one more", async () => {
    const connection = await bed.connect(byClient());
    const fetches = await fetchesOf(async () => {
      await fetchAndDie(connection);
      const row = await bed.sql(`${asFetched} WHERE connection_id = '${connection.id}'`);
      expect(row).toEqual([{ generation: 0, is_held: true }]);
      const tokens = await askAll([bed.worker(), bed.worker()], connection);
      expect(new Set(tokens).size).toBe(1);
    });
    expect(fetches).toBe(2);
  });

  test("leaves the refresh token that it used, with which it goes on where the server bears that", async () => {
    const lenient = await startAuthorizationServer({ rotates: false });
    own.push(lenient.server);
    const client = lenient.client("basic");
    const refreshToken = await lenient.newRefreshToken(client.clientId);
    const connection = await bed.connect({ type: "oauth2_refresh_token", refreshToken, ...client });
    await fetchAndDie(connection);
    expect(await lenient.isGood(await bed.worker().ask(connection))).toBe(true);
  });

  test("says what to do where the server has ended it", async () => {
    const connection = await bed.connect(await byRefreshToken());
    await fetchAndDie(connection);
    await expect(bed.worker().ask(connection)).rejects.toThrow(
      /invalid_grant.*authorise anew and set refresh_token/,
    );
  });
});

describe("a worker that goes", () => {
  test("lets others fetch at once", async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    const { auth } = await ownEndpoint(async (request, response, number) => {
      if (number > 1) give(response, { access_token: "t", token_type: "bearer" });
      else {
        arrive();
        await once(request.socket, "close");
      }
    });
    const connection = await bed.connect(auth);
    const going = bed.worker();
    const asked = going.ask(connection);
    asked.catch(() => {});
    await arrived;
    await going.tokens.close();
    await expect(asked).rejects.toThrow(/the process is going/);
    const row = `SELECT fetching_by FROM oauth_tokens WHERE connection_id = '${connection.id}'`;
    expect(await bed.sql(row)).toEqual([{ fetching_by: null }]);
    expect(await bed.worker().ask(connection)).toBe("t");
  });

  test("has no fetch for longer than one can take", () => {
    expect(fetchLeaseMs).toBeGreaterThan(10_000);
  });
});
