import { pathToFileURL } from "node:url";
import type { WorkerConfig } from "@tl-engine/shared/config/demand.ts";
import { AllowListError, parseAllowList } from "@tl-engine/outbound/allow-list";
import { closeDatabase, openDatabase } from "@tl-engine/shared/db/database.ts";
import { createBacklog } from "@tl-engine/shared/executions/backlog.ts";
import { createPostgresCanary, createRedisCanary } from "@tl-engine/shared/executions/canary.ts";
import { createEnqueuer, itemsPerJob } from "@tl-engine/shared/executions/enqueuer.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import { reportRetention } from "@tl-engine/shared/executions/report-retention.ts";
import { createTurnReporter } from "@tl-engine/shared/executions/report-turns.ts";
import { createReconciler } from "@tl-engine/shared/executions/reconcile.ts";
import { createRetention } from "@tl-engine/shared/executions/retention.ts";
import { untilAvailable } from "@tl-engine/shared/executions/until-available.ts";
import {
  watchSurroundings,
  type SurroundingsWatch,
} from "@tl-engine/shared/doctor/watch-surroundings.ts";
import { createErrorLog } from "@tl-engine/shared/log/error-log.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { createCircuitMetrics } from "@tl-engine/shared/metrics/circuit-metrics.ts";
import { createReconcilerMetrics } from "@tl-engine/shared/metrics/reconciler-metrics.ts";
import { createCallbackMetrics } from "@tl-engine/shared/metrics/callback-metrics.ts";
import { createMetrics } from "@tl-engine/shared/metrics/registry.ts";
import { createRetentionMetrics } from "@tl-engine/shared/metrics/retention-metrics.ts";
import { serveMetrics } from "@tl-engine/shared/metrics/serve-metrics.ts";
import { createWorkerMetrics } from "@tl-engine/shared/metrics/worker-metrics.ts";
import { poolSize } from "@tl-engine/shared/process/connections.ts";
import { registerProcess } from "@tl-engine/shared/process/registry.ts";
import { waitingWords } from "@tl-engine/shared/process/waiting-words.ts";
import { openQueue } from "@tl-engine/shared/queue/open-queue.ts";
import type { Queue } from "@tl-engine/shared/queue/queue.ts";
import { openRedis } from "@tl-engine/shared/redis/open-redis.ts";
import { impatientRedisOptions } from "@tl-engine/shared/redis/redis-options.ts";
import { createRemoteEngineReader } from "@tl-engine/shared/remote-engines/read-remote-engines.ts";
import { openSecretBox } from "@tl-engine/shared/secrets/open-secret-box.ts";
import { openSignals } from "@tl-engine/shared/signals/open-signals.ts";
import { startDeliverer } from "./callbacks/start-deliverer.ts";
import { checkConnections } from "./check-connections.ts";
import { chooseEngines, servesRemote } from "./choose-engines.ts";
import { engineModules } from "./engine-modules.ts";
import { builtInModules } from "./host/built-in-modules.ts";
import { describeEngines } from "./host/describe-engines.ts";
import { createHostMetrics } from "./host-metrics.ts";
import { startLiveness, type LivenessTimes } from "./liveness.ts";
import { noteTaken } from "./note-taken.ts";
import { offerAgain } from "./offer-again.ts";
import { createMainDoor } from "./ports/main-door.ts";
import { openPorts } from "./ports/open-ports.ts";
import { publishServed } from "./publish-served.ts";
import { startRemoteServing } from "./remote-serving.ts";
import { serveRemote } from "./serve-remote.ts";
import { createReadiness } from "./readiness.ts";
import { serve, type ServedEngine } from "./served-engine.ts";
import { waitForRecord } from "./wait-for-record.ts";
import { StartError } from "./start-error.ts";
import { within } from "./within.ts";
import { createWorker, type Worker } from "./worker.ts";

export interface StartWorkerOptions {
  config: WorkerConfig;
  log: Log;
  /** Where `TL_ENGINES` starts from. */
  folder: string;
  /** The environment that engines see. */
  engineEnv: Record<string, string | undefined>;
  /** Engines of this worker replace what is published under their versions, whoever else serves it. */
  replaceEngines?: boolean;
  /** Hears that this worker lives and does not work: it has to be started anew. */
  onStuck(reason: string): void;
  /** Hears that it can never work on this queue, however often it is started. */
  onUnfit?(reason: string): void;
  /** Places where a fault test may interfere; production passes none. */
  hooks?: FaultHooks;
  /** For a fault test that cannot wait for as long as production does. */
  liveness?: LivenessTimes;
}

export interface RunningWorker {
  readonly metricsPort: number;
  /** Resolves once it takes work. Rejects with an EngineLoadError or StartError where it never will. */
  readonly started: Promise<void>;
  /** Takes nothing new, lets what runs end, gives back what does not; at once when `hurry` aborts. */
  stop(hurry: AbortSignal): Promise<void>;
}

const defaultMetricsPort = 9465;
/** Closing connections to what does not answer takes no longer than this altogether, ms. */
const closingMs = 4_000;

/** Versions of remote engines that a worker serves: on Postgres each holds a connection. */
const mostRemoteEngines = { redis: 100, postgres: 10 };

/** Builds the worker process: the only place where its parts are made and put together. */
export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const { config, log, folder } = options;
  const { databaseUrl, redisUrl, leaseMs } = config;
  const onError = createErrorLog(log, "something failed beside an execution");
  const hooks = options.hooks === undefined ? {} : { hooks: options.hooks };
  const stopping = new AbortController();
  const patience = { signal: stopping.signal, onError };
  const resolveFrom = pathToFileURL(`${folder}/`).href;
  const registry = createMetrics("worker");
  const hostMetrics = createHostMetrics(registry);
  const metrics = createWorkerMetrics(registry);
  const reconcilerMetrics = createReconcilerMetrics(registry);
  const callbackMetrics = createCallbackMetrics(registry);

  const db = openDatabase({
    url: databaseUrl,
    max: poolSize.worker,
    applicationName: "tl-worker",
    onError,
  });
  let waiting: string | null = "engines";
  let openedQueue: Queue | null = null;
  const waitFor = (reason: string): void => {
    if (reason !== waiting) log.info({ reason }, waitingWords(reason));
    waiting = reason;
  };
  let surroundings: SurroundingsWatch | null = null;
  const metricsServer = await serveMetrics({
    port: config.metricsPort,
    defaultPort: defaultMetricsPort,
    host: config.host,
    registry,
    ready: createReadiness({
      db,
      queue: () => openedQueue,
      waitsFor: () => waiting,
      degraded: () => [...(surroundings?.degraded() ?? [])],
    }),
    onError,
  });
  /** What has to be closed, in the order in which it was opened. */
  const closers: (() => Promise<unknown> | void)[] = [
    () => metricsServer.close(),
    () => closeDatabase(db),
  ];
  let drain: ((hurry: AbortSignal) => Promise<void>) | null = null;

  async function start(): Promise<void> {
    checkAllowList(config.outboundAllow);
    const modules = [...builtInModules(), ...engineModules(config.engines, folder)];
    const all = await describeEngines(modules, { resolveFrom, env: options.engineEnv });
    const chosen = chooseEngines(all, config.workerEngines);

    const onWait = (reason: string, why?: unknown): void => {
      waitFor(reason);
      if (why !== undefined) onError(why);
    };
    await waitForRecord(db, onWait, stopping.signal);
    const registration = await untilAvailable(
      () => registerProcess(db, { kind: "worker", leaseMs, onError }),
      patience,
    );
    closers.push(() => registration.close());
    const signals = openSignals({ redisUrl, databaseUrl, pool: db.pool, onError });
    closers.push(() => signals.close());

    const capacity = { concurrency: config.workerConcurrency, threads: config.threads };
    const slotsTaken = ({ id: engine, version }: { id: string; version: number }) => {
      const used = metrics.slotsTaken.labels({ engine, version });
      return (count: number): void => used.set(count);
    };
    /** Those of its modules, and the remote ones that it serves at the moment. */
    const engines = chosen.map((one) => serve(one, capacity, slotsTaken(one.descriptor)));
    /** Those of which this worker takes work; not all, where somebody else serves one with another content. */
    const serving: ServedEngine[] = [];
    const publish = (offered: readonly ServedEngine[]): Promise<ServedEngine[]> =>
      publishServed(db, signals, offered, {
        processId: registration.id,
        replace: options.replaceEngines ?? false,
        onRefused({ id, version, reason }) {
          // Said once: it is offered again and again.
          if (waiting !== null)
            log.error({ engine: id, version, reason }, "an engine version is not served");
        },
      });
    serving.push(...(await untilAvailable(() => publish(engines), patience)));
    if (redisUrl === null) await checkConnections(db, engines.length);
    const remoteLimit =
      config.workerRemoteEngines ?? mostRemoteEngines[redisUrl === null ? "postgres" : "redis"];

    const queue = openQueue({
      redisUrl,
      databaseUrl,
      lockMs: leaseMs,
      consumed: engines.length + remoteLimit,
      onError,
    });
    openedQueue = queue;
    closers.push(() => queue.close());
    const redis =
      redisUrl === null
        ? null
        : openRedis(redisUrl, impatientRedisOptions("tl-worker-canary"), onError);
    closers.push(() => redis?.disconnect());

    const shortMs = new Map(
      all.map(({ descriptor: d }) => [`${d.id}@${d.version}`, d.policy.short_ms]),
    );
    const enqueuer = createEnqueuer({
      processId: registration.id,
      startedAt: registration.startedAt,
      queue,
      pool: db.pool,
      perJob: (engineId, version) => itemsPerJob(shortMs.get(`${engineId}@${version}`) ?? null),
      onError,
      ...hooks,
    });
    registration.reportEnqueuedThrough(() => enqueuer.enqueuedThrough());
    closers.push(() => enqueuer.close());
    const backlog = createBacklog({ pool: db.pool, enqueuer, onError });
    closers.push(() => backlog.close());
    const reconciler = createReconciler({
      pool: db.pool,
      queue,
      enqueuer,
      backlog,
      signals,
      canary: redis === null ? createPostgresCanary(db.pool) : createRedisCanary(redis),
      leaseMs,
      intervalMs: config.reconcileIntervalMs,
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
    });

    const box = openSecretBox(config);
    const door = createMainDoor(config.outboundAllow);
    closers.push(() => door.close());
    const { ports, admission, close } = openPorts({
      pool: db.pool,
      processId: registration.id,
      signals,
      box,
      door,
      callLog: { record: (call) => worker.recordCall(call) },
      onReleased: () => worker.lookForDue(),
      onError,
    });
    closers.push(close);
    createCircuitMetrics(registry, () => admission.states());

    const taken = noteTaken(queue);
    const worker: Worker = createWorker({
      settings: config,
      engines,
      resolveFrom,
      engineEnv: options.engineEnv,
      db,
      queue: taken.queue,
      signals,
      registration,
      enqueuer,
      backlog,
      ports,
      secretBox: box,
      metrics,
      hostMetrics,
      log,
      onError,
      ...hooks,
    });
    let liveness: { stop(): void } | null = null;
    let stopServing = (): void => {};
    let deliverer: ReturnType<typeof startDeliverer> | null = null;
    drain = async (hurry) => {
      stopServing();
      liveness?.stop();
      await worker.drain(hurry);
      // What has just ended may have to be told still: not before the work is done.
      await within(Promise.all([reconciler.stop(), deliverer?.stop()]), closingMs);
    };
    waitFor("engines");
    await worker.start();
    for (const engine of serving) worker.serve(engine);
    // Not before it takes anything: engines may load for long.
    liveness = startLiveness({
      ...options.liveness,
      engines,
      askPostgres: () => db.pool.query("SELECT 1"),
      askQueue: () => queue.probe(),
      async waiting(engine) {
        if (!serving.includes(engine)) return 0;
        const { id, version } = engine.descriptor;
        const depth = await queue.depth(id, version);
        metrics.queueDepth.set({ engine: id, version }, depth);
        return depth;
      },
      takenAt: ({ descriptor: { id, version } }) => taken.takenAt(id, version),
      onStuck: ({ name }, seconds) =>
        options.onStuck(
          `nothing of ${name} was taken for ${seconds} s, though it waits and a slot is free`,
        ),
    });
    reconciler.start();
    const announce = async (): Promise<void> => {
      for (const { descriptor, slots } of serving) {
        const { id: engine, version } = descriptor;
        metrics.slots.set({ engine, version }, slots.total);
        metrics.slotsTaken.set({ engine, version }, slots.used);
      }
      const slots = serving.map(({ descriptor, slots }) => ({
        engineId: descriptor.id,
        version: descriptor.version,
        slots: slots.total,
      }));
      await untilAvailable(() => registration.serve(slots), patience);
      // What has waited for a worker is brought in for this one at once.
      for (const engine of slots) backlog.look(engine);
      // Only now is there a worker for what was published before.
      signals.publish("catalogue", registration.id);
    };
    await announce();
    stopping.signal.throwIfAborted();
    deliverer = startDeliverer({
      db,
      signals,
      door,
      box: openSecretBox(config),
      workerId: registration.id,
      now: () => registration.now(),
      metrics: callbackMetrics,
      countCall: (call) => metrics.outbound.count(call),
      onDropped: metrics.outbound.dropped,
      log,
      onError,
    });
    waiting = null;
    log.info(
      { worker_id: registration.id, engines: serving.map(({ name }) => name) },
      "taking work",
    );
    const refused = engines.filter((engine) => !serving.includes(engine));
    const remote = startRemoteServing({
      reader: createRemoteEngineReader(db),
      signals,
      mayServe: (id) => servesRemote(id, config.workerEngines),
      limit: remoteLimit,
      serve(registered) {
        const engine = serveRemote(registered, capacity, slotsTaken(registered.descriptor));
        engines.push(engine);
        serving.push(engine);
        worker.serve(engine);
        return engine;
      },
      async unserve(engine) {
        for (const list of [engines, serving]) list.splice(list.indexOf(engine), 1);
        const { id, version } = engine.descriptor;
        for (const gauge of [metrics.slots, metrics.slotsTaken, metrics.queueDepth])
          gauge.remove({ engine: id, version });
        await worker.unserve(engine);
      },
      announce,
      onError,
      log,
    });
    stopServing = () => remote.stop();
    void remote.look().catch(onError);
    void offerAgain({
      refused,
      publish,
      async serve(engine) {
        // It is tried again where it could not be announced: one consumer is enough.
        if (!serving.includes(engine)) {
          serving.push(engine);
          worker.serve(engine);
        }
        await announce();
        const { id, version } = engine.descriptor;
        log.info({ engine: id, version }, "an engine version is served now");
      },
      signal: stopping.signal,
      onError,
    });
    // Beside the work: it delays nothing.
    surroundings = watchSurroundings({
      config,
      pool: db.pool,
      redis,
      log,
      onUnfit: ({ title, detail }) => options.onUnfit?.(`${title}: ${detail}`),
    });
    closers.push(() => surroundings?.stop());
  }

  const started = start();
  started.catch(() => undefined);

  return {
    metricsPort: metricsServer.port,
    started,
    async stop(hurry) {
      waiting = "shutting_down";
      stopping.abort();
      await started.catch(() => undefined);
      waiting = "shutting_down";
      await drain?.(hurry);
      // The lease is given up only when all that was owed to the queue is there or cannot be.
      const endAt = performance.now() + closingMs;
      for (const close of closers.toReversed()) {
        const left = Math.max(100, endAt - performance.now());
        await within(Promise.resolve(close()).catch(onError), left);
      }
    },
  };
}

/** @throws StartError where an entry of TL_OUTBOUND_ALLOW cannot be understood */
function checkAllowList(text: string): void {
  try {
    parseAllowList(text);
  } catch (error) {
    if (error instanceof AllowListError)
      throw new StartError(`TL_OUTBOUND_ALLOW: ${error.message}`);
    throw error;
  }
}
