import { startPrivatePostgres, startPrivateRedis } from "../../test/services.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import type { PrivatePostgres, RedisServer } from "../../test/services.ts";
import { startDeployment, type Deployment, type Worker } from "./deployment.ts";
import { startSink, type Sink } from "./sink.ts";

/** The test bed of the promises: two APIs and three workers, with a Postgres and a Redis that may be killed. */
export interface Bed {
  readonly deployment: Deployment;
  readonly postgres: PrivatePostgres;
  readonly redis: RedisServer;
  readonly sink: Sink;
  /** Starts processes until two APIs and three workers live, and waits until they are ready. */
  complete(): Promise<void>;
  livingWorkers(): Worker[];
  /** The living worker that the record knows by this id. */
  workerById(id: string | null | undefined): Promise<Worker>;
  remove(): Promise<void>;
}

/** The lease of the bed, seconds; bounds that the promises give for 15 s shrink with it. */
export const leaseSeconds = 2;

export interface BedOptions {
  engines: readonly string[];
  env?: Record<string, string>;
  /** Runs while Postgres and Redis are down and the processes wait for them. */
  beforeServices?: (deployment: Deployment) => Promise<void>;
}

export async function startBed({ engines, env, beforeServices }: BedOptions): Promise<Bed> {
  const [postgres, redis, sink] = await Promise.all([
    startPrivatePostgres(),
    startPrivateRedis(),
    startSink(),
  ]);
  await migrate(postgres.url);
  if (beforeServices) await Promise.all([postgres.stop(), redis.stop()]);
  const deployment = await startDeployment({
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    apis: 2,
    workers: 3,
    engines,
    awaitReady: false,
    env: {
      TL_LEASE_SECONDS: String(leaseSeconds),
      TL_GRACE_SECONDS: "1",
      TL_OUTBOUND_ALLOW: sink.address,
      ...env,
    },
  });
  const bed: Bed = {
    deployment,
    postgres,
    redis,
    sink,
    async complete() {
      const apis = deployment.apis.filter((api) => api.ended === null).length;
      const workers = bed.livingWorkers().length;
      await Promise.all([
        ...Array.from({ length: 2 - apis }, () => deployment.startApi()),
        ...Array.from({ length: 3 - workers }, () => deployment.startWorker()),
      ]);
      await Promise.all(
        [...deployment.apis, ...deployment.workers]
          .filter((one) => one.ended === null)
          .map((one) => one.ready()),
      );
    },
    livingWorkers: () => deployment.workers.filter((worker) => worker.ended === null),
    async workerById(id) {
      for (const worker of bed.livingWorkers()) if ((await worker.ready()) === id) return worker;
      throw new Error(`No living worker is ${id}`);
    },
    async remove() {
      await deployment.stop();
      await Promise.all([postgres.remove(), redis.kill(), sink.close()]);
    },
  };
  try {
    if (beforeServices) {
      await beforeServices(deployment);
      await Promise.all([postgres.start(), redis.start()]);
    }
    await bed.complete();
  } catch (error) {
    await bed.remove();
    throw error;
  }
  return bed;
}
