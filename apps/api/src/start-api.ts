import type { ApiConfig } from "@tl-engine/shared/config/demand.ts";
import { createCatalogue } from "@tl-engine/shared/catalogue/catalogue.ts";
import { closeDatabase, openDatabase } from "@tl-engine/shared/db/database.ts";
import { createPostgresCanary, createRedisCanary } from "@tl-engine/shared/executions/canary.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import { createExecutionReader } from "@tl-engine/shared/executions/read.ts";
import { reportRetention } from "@tl-engine/shared/executions/report-retention.ts";
import { createTurnReporter } from "@tl-engine/shared/executions/report-turns.ts";
import { createRetention } from "@tl-engine/shared/executions/retention.ts";
import { createWatcher } from "@tl-engine/shared/executions/watch.ts";
import { createKeyVerifier } from "@tl-engine/shared/keys/verify-key.ts";
import {
  watchSurroundings,
  type SurroundingsWatch,
} from "@tl-engine/shared/doctor/watch-surroundings.ts";
import { createErrorLog } from "@tl-engine/shared/log/error-log.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { createApiMetrics } from "@tl-engine/shared/metrics/api-metrics.ts";
import { createReconcilerMetrics } from "@tl-engine/shared/metrics/reconciler-metrics.ts";
import { createMetrics } from "@tl-engine/shared/metrics/registry.ts";
import { createRetentionMetrics } from "@tl-engine/shared/metrics/retention-metrics.ts";
import { serveMetrics, type MetricsServer } from "@tl-engine/shared/metrics/serve-metrics.ts";
import { poolSize } from "@tl-engine/shared/process/connections.ts";
import { waitingWords } from "@tl-engine/shared/process/waiting-words.ts";
import { openQueue } from "@tl-engine/shared/queue/open-queue.ts";
import { openRateLimiter } from "@tl-engine/shared/rate-limit/open-rate-limiter.ts";
import { openRedis } from "@tl-engine/shared/redis/open-redis.ts";
import { impatientRedisOptions } from "@tl-engine/shared/redis/redis-options.ts";
import { createCompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import { openSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import { openSignals } from "@tl-engine/shared/signals/open-signals.ts";
import { createAnswerReport } from "./answer-report.ts";
import { createApp } from "./app.ts";
import { endpoints } from "./endpoints.ts";
import { createCompletions } from "./completions.ts";
import { createInputCheck, createOutputCheck } from "./input-validator.ts";
import { openapiText } from "./openapi.ts";
import { createReadiness } from "./readiness.ts";
import { startRecording } from "./recording.ts";
import { serve } from "./serve.ts";
import { tokenVerifier } from "./verify-token.ts";

export interface StartApiOptions {
  config: ApiConfig;
  log: Log;
  /** Places where a fault test may interfere; production passes none. */
  hooks?: FaultHooks;
}

export interface RunningApi {
  readonly port: number;
  readonly metricsPort: number;
  /** Resolves once Postgres was there and work can be recorded. */
  readonly started: Promise<void>;
  /** Not ready first, held requests answered, what is under way ended, everything closed. */
  stop(): Promise<void>;
}

const defaultMetricsPort = 9464;

/** Builds the API process: the only place where its parts are made and put together. */
export async function startApi({ config, log, hooks }: StartApiOptions): Promise<RunningApi> {
  const { databaseUrl, redisUrl, host } = config;
  const onError = createErrorLog(log, "something failed beside a request");
  const registry = createMetrics("api");
  const metrics = createApiMetrics(registry);
  const reconcilerMetrics = createReconcilerMetrics(registry);
  let closing = false;
  // Made when it is asked for: it takes some MiB.
  let document: string | null = null;
  const isClosing = (): boolean => closing;

  const db = openDatabase({
    url: databaseUrl,
    max: poolSize.api,
    applicationName: "tl-api",
    onError,
  });
  const signals = openSignals({ redisUrl, databaseUrl, pool: db.pool, onError });
  const queue = openQueue({ redisUrl, databaseUrl, lockMs: config.leaseMs, consumed: 0, onError });
  const redis =
    redisUrl === null ? null : openRedis(redisUrl, impatientRedisOptions("tl-api"), onError);
  const limiter = openRateLimiter({
    redis,
    pool: db.pool,
    windowSeconds: config.rateWindowSeconds,
    log,
    localGauge: metrics.rateLimitLocal,
    now: () => recording.now(),
  });
  const catalogue = createCatalogue(db, signals, (error) => {
    // Its tables are not there yet, which was said already.
    if (recording.waitsFor() !== "migrations") onError(error);
  });
  const reader = createExecutionReader(db.pool);
  const watcher = createWatcher({ pool: db.pool, reader, signals, onError });
  const keys = createKeyVerifier({ db, signals, onError });
  const recording = startRecording({
    db,
    queue,
    signals,
    catalogue,
    canary: redis === null ? createPostgresCanary(db.pool) : createRedisCanary(redis),
    leaseMs: config.leaseMs,
    reconcileIntervalMs: config.reconcileIntervalMs,
    onError,
    onTurn: createTurnReporter(log, reconcilerMetrics),
    retention: createRetention({
      pool: db.pool,
      retentionMs: config.retentionMs,
      callRetentionMs: config.callRetentionMs,
      tombstoneRetentionMs: config.tombstoneRetentionMs,
      onError,
      ...reportRetention(createRetentionMetrics(registry)),
    }),
    onWait: (reason) => log.info({ reason }, waitingWords(reason)),
    ...(hooks && { hooks }),
  });
  let surroundings: SurroundingsWatch | null = null;
  recording.started.then(
    () => {
      // Beside the work: it delays nothing and ends nothing.
      if (!closing) surroundings = watchSurroundings({ config, pool: db.pool, redis, log });
    },
    () => undefined,
  );
  const readiness = createReadiness({
    db,
    queue,
    onRedis: redisUrl !== null,
    waitsFor: () => recording.waitsFor(),
    isClosing,
    degraded: () => surroundings?.degraded() ?? [],
  });

  const secretBox = openSecretBox(config);
  const app = createApp({
    settings: config,
    db,
    signals,
    submitter: {
      ...recording.submitter,
      async submit(execution) {
        const result = await recording.submitter.submit(execution);
        if (result.kind === "accepted") {
          metrics.executionsAccepted.inc({ engine: execution.engineId });
        }
        return result;
      },
    },
    now: () => recording.now(),
    newExecutionId: () => recording.newExecutionId(),
    reader,
    watcher,
    catalogue,
    limiter,
    secretBox,
    verifyKey: (key) => keys.verify(key),
    verifyToken: tokenVerifier(config),
    checkInput: createInputCheck(),
    completionTokens: secretBox === null ? null : createCompletionTokens(secretBox),
    completions: createCompletions({
      db,
      signals,
      onError,
      dueIn: (ms) => recording.dueIn(ms),
      placeFreed: (engine) => recording.placeFreed(engine),
      ...(hooks && { hooks }),
    }),
    checkOutput: createOutputCheck(),
    openapi: () => (document ??= openapiText(endpoints)),
    readiness,
    isStarting: () => recording.waitsFor() !== null,
    reportAnswer: createAnswerReport(log, metrics),
    reportError: (error, requestId) => {
      log.error({ err: error, ...(requestId && { request_id: requestId }) }, "a request failed");
    },
  });
  const closeParts = async (): Promise<void> => {
    surroundings?.stop();
    watcher.close();
    catalogue.close();
    await recording.stop();
    await keys.close();
    await limiter.close();
    redis?.disconnect();
    await queue.close();
    await signals.close();
    await closeDatabase(db);
  };

  let metricsServer: MetricsServer | null = null;
  try {
    metricsServer = await serveMetrics({
      port: config.metricsPort,
      defaultPort: defaultMetricsPort,
      host,
      registry,
      ready: readiness,
      onError,
    });
    const { port: metricsPort, close: closeMetrics } = metricsServer;
    const server = await serve({ app, port: config.port, host, onError });
    return {
      port: server.port,
      metricsPort,
      started: recording.started,
      async stop() {
        closing = true;
        watcher.wakeAll();
        await server.drain(config.drainMs);
        await closeParts();
        await closeMetrics();
      },
    };
  } catch (error) {
    await metricsServer?.close();
    await closeParts();
    throw error;
  }
}
