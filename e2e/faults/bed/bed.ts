import { rmSync } from "node:fs";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import type { Client } from "@tl-engine/client";
import { makeRunFolder } from "../../../test/left-behind.ts";
import { startPrivatePostgres, type PrivatePostgres } from "../../../test/private-postgres.ts";
import { startRedisServer, type RedisServer } from "../../../test/redis-server.ts";
import { runSql } from "../../../test/template-database.ts";
import {
  startDeployment,
  type Api,
  type Deployment,
  type Worker,
} from "../../support/deployment.ts";
import { startSink, type Sink } from "../../support/sink.ts";
import type { Backend } from "../backend.ts";
import { layTrail, type Trail } from "./trail.ts";
import { openWire, type Wire } from "./wire.ts";

export interface BedOptions {
  /** File names in `e2e/engines`, without `.ts`; the built-in ones are there anyway. */
  engines: readonly string[];
  /** More variables for all processes. */
  env?: Record<string, string>;
  /** Default 2. */
  apis?: number;
  /** Default 3. */
  workers?: number;
  /** Arguments of the private `redis-server`. */
  redisArgs?: readonly string[];
  /** Redis comes back from a stop with what it had; else it comes back empty. */
  redisKeepsData?: boolean;
  /** Between the processes and Postgres and Redis lies a network that can be made bad: see `wire`. */
  network?: boolean;
  /** Runs while Postgres and Redis are down and the processes wait for them. */
  beforeServices?: (deployment: Deployment) => Promise<void>;
  /** False: no trigger writes down each move, for figures of speed. */
  trail?: boolean;
  /** The bed is this case's alone, also in the short form. */
  alone?: boolean;
}

/** The test bed of the promises. */
export interface Bed {
  readonly backend: Backend;
  readonly leaseSeconds: number;
  readonly deployment: Deployment;
  readonly postgres: PrivatePostgres;
  /** @throws Error where the bed has none */
  readonly redis: RedisServer;
  readonly sink: Sink;
  /** @throws Error where the bed has no network, or no Redis */
  wire(to: "postgres" | "redis"): Wire;
  /** Null where it was not asked for. */
  readonly trail: Trail | null;
  livingApis(): Api[];
  livingWorkers(): Worker[];
  /** The living worker that the record knows by this id. */
  workerById(id: string | null | undefined): Promise<Worker>;
  /** Of a living API, as tl-plane. */
  client(): Client;
  /** As a supervisor does: starts processes until as many live as at the start, and waits until they are ready. */
  complete(): Promise<void>;
  /** One statement in a session of its own. */
  query<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  remove(): Promise<void>;
}

/** @param leaseSeconds of all processes, where `env` sets no other */
export async function startBed(
  backend: Backend,
  leaseSeconds: number,
  options: BedOptions,
): Promise<Bed> {
  const { engines, env = {}, apis = 2, workers = 3, beforeServices } = options;
  const redisFolder = options.redisKeepsData === true ? makeRunFolder() : null;
  const redisArgs = [
    ...(redisFolder === null ? [] : ["--dir", redisFolder, "--appendonly", "yes"]),
    ...(options.redisArgs ?? []),
  ];
  const [postgres, redis, sink] = await Promise.all([
    startPrivatePostgres(),
    backend === "redis" ? startRedisServer({ args: redisArgs }) : null,
    startSink(),
  ]);
  const wires: { postgres?: Wire; redis?: Wire } = {};
  let deployment: Deployment | null = null;
  let completing: Promise<void> | null = null;
  const remove = async (): Promise<void> => {
    await deployment?.stop();
    await Promise.all([wires.postgres?.close(), wires.redis?.close()]);
    await Promise.all([postgres.remove(), redis?.kill(), sink.close()]);
    if (redisFolder !== null) rmSync(redisFolder, { recursive: true, force: true });
  };

  try {
    await migrate(postgres.url);
    const trail = options.trail === false ? null : await layTrail(postgres.url);
    if (options.network === true) {
      wires.postgres = await openWire(postgres.url);
      if (redis !== null) wires.redis = await openWire(redis.url);
    }
    if (beforeServices) await Promise.all([postgres.stop(), redis?.stop()]);
    const started = await startDeployment({
      databaseUrl: wires.postgres?.url ?? postgres.url,
      redisUrl: wires.redis?.url ?? redis?.url ?? null,
      apis,
      workers,
      engines,
      awaitReady: false,
      env: {
        TL_LEASE_SECONDS: String(leaseSeconds),
        TL_GRACE_SECONDS: leaseSeconds < 15 ? "1" : "5",
        TL_OUTBOUND_ALLOW: sink.address,
        // No case but the limiter's own is to run into a limit.
        TL_PLANE_RATE_LIMIT: "1000000000",
        ...env,
      },
    });
    deployment = started;
    const alive = (one: Api | Worker): boolean => one.ended === null;
    const livingApis = (): Api[] => started.apis.filter(alive);
    const livingWorkers = (): Worker[] => started.workers.filter(alive);
    const startMissing = async (): Promise<void> => {
      await Promise.all([
        ...Array.from({ length: apis - livingApis().length }, () => started.startApi()),
        ...Array.from({ length: workers - livingWorkers().length }, () => started.startWorker()),
      ]);
      await Promise.all([...livingApis(), ...livingWorkers()].map((one) => one.ready()));
    };
    const bed: Bed = {
      backend,
      leaseSeconds: Number(env["TL_LEASE_SECONDS"] ?? leaseSeconds),
      deployment: started,
      postgres,
      get redis() {
        if (redis === null) throw new Error("This bed is on Postgres alone: it has no Redis");
        return redis;
      },
      sink,
      wire(to) {
        const wire = wires[to];
        if (wire === undefined) throw new Error(`This bed has no network to ${to}`);
        return wire;
      },
      trail,
      livingApis,
      livingWorkers,
      async workerById(id) {
        for (const worker of livingWorkers()) if ((await worker.ready()) === id) return worker;
        throw new Error(`No living worker is ${id}`);
      },
      client: () => started.client(started.apis.findIndex(alive)),
      complete() {
        // One after the other: two at once would both start what is missing.
        completing = (completing ?? Promise.resolve()).catch(() => undefined).then(startMissing);
        return completing;
      },
      query: (sql, values) => runSql(postgres.url, sql, values),
      remove,
    };
    if (beforeServices) {
      await beforeServices(started);
      await Promise.all([postgres.start(), redis?.start()]);
    }
    await bed.complete();
    return bed;
  } catch (error) {
    if (deployment !== null) console.log(deployment.lastWords(2_000));
    await remove();
    throw error;
  }
}
