import {
  createPostgresBackend,
  Queue,
  Worker,
  type JobProgress,
  type PostgresConnectionOptions,
  type PostgresQueueBackend,
} from "bullmq";
import pg from "pg";
import { keepAliveInitialDelayMillis } from "../db/database.ts";
import { queuePoolSize } from "../process/connections.ts";
import type { Backend, JobData } from "./bullmq-queue.ts";
import { queueSchema } from "./migrate-queue.ts";
import { watchListeners } from "./watch-listeners.ts";

export interface PostgresBackendOptions {
  url: string;
  /** How long a worker's claim on a job lasts without renewal, ms. */
  lockMs: number;
  /** Queues that this process will consume: each holds a LISTEN connection of the pool. */
  consumed: number;
  onError: (error: Error) => void;
}

const anyNumber = 2 ** 31 - 1;
/** How long a statement may take, ms, and how much longer the client waits for it than the server works. */
const statementMs = 10_000;
const answerMs = 1_000;

/** BullMQ on Postgres, for installations without Redis. */
export function makePostgresBackend(options: PostgresBackendOptions): Backend {
  const pool = new pg.Pool({
    connectionString: options.url,
    // A pool smaller than the number of queues never gets ready.
    max: queuePoolSize(options.consumed),
    application_name: "tl-queue",
    connectionTimeoutMillis: 2_000,
    // A connection that was cut in silence must hold nobody up for ever.
    statement_timeout: statementMs,
    query_timeout: statementMs + answerMs,
    keepAlive: true,
    keepAliveInitialDelayMillis,
    // Delivery may be lost with a crash of Postgres; the record may not and is committed elsewhere.
    options: `-c search_path=${queueSchema},public -c synchronous_commit=off`,
  });
  // Every queue listens on the one pool.
  pool.setMaxListeners(0);
  const stopWatching = watchListeners(pool);
  pool.on("error", options.onError);
  pool.on("connect", (client) => {
    client.on("error", options.onError);
  });

  return {
    makeQueue: (name) =>
      new Queue<
        JobData,
        void,
        string,
        JobData,
        void,
        string,
        PostgresQueueBackend,
        PostgresConnectionOptions
      >(
        name,
        { connection: pool as PostgresConnectionOptions, skipWaitingForReady: true },
        createPostgresBackend,
      ) as unknown as Queue<JobData>,

    makeWorker: (name, concurrency, process) =>
      new Worker<
        JobData,
        void,
        string,
        PostgresQueueBackend,
        JobProgress,
        PostgresConnectionOptions
      >(
        name,
        (job) => process(job.data),
        {
          connection: pool as PostgresConnectionOptions,
          concurrency,
          lockDuration: options.lockMs,
          stalledInterval: Math.max(1_000, Math.round(options.lockMs / 3)),
          maxStalledCount: anyNumber,
          drainDelay: 30,
          runRetryDelay: 1_000,
          removeOnComplete: { count: 0 },
          removeOnFail: { count: 0 },
        },
        createPostgresBackend,
      ) as unknown as Worker<JobData>,

    async health() {
      await pool.query("SELECT 1");
      return { ok: true, reasons: [] };
    },

    async probe() {
      const { rows } = await pool.query<{ writable: boolean }>(
        "SELECT NOT current_setting('transaction_read_only')::bool AS writable",
      );
      if (rows[0]?.writable !== true) throw new Error("PostgreSQL takes no writes");
    },

    async close() {
      stopWatching();
      await pool.end();
    },
  };
}
