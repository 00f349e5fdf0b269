import type { OutboundCall } from "@tl-engine/outbound";
import type { Config } from "@tl-engine/shared/config/config.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { Backlog } from "@tl-engine/shared/executions/backlog.ts";
import { createDueTimer } from "@tl-engine/shared/executions/due-timer.ts";
import type { Enqueuer } from "@tl-engine/shared/executions/enqueuer.ts";
import { createFillFreedPlaces } from "@tl-engine/shared/executions/fill-freed-places.ts";
import { createHandOver } from "@tl-engine/shared/executions/hand-over.ts";
import { readHeld } from "@tl-engine/shared/executions/held.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import { makeDueReady, releaseRetries } from "@tl-engine/shared/executions/make-ready.ts";
import { createProgressWriter } from "@tl-engine/shared/executions/progress.ts";
import { createSettler } from "@tl-engine/shared/executions/settle.ts";
import { createStarter } from "@tl-engine/shared/executions/start.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import type { WorkerMetrics } from "@tl-engine/shared/metrics/worker-metrics.ts";
import { createCallRecorder } from "@tl-engine/shared/outbound-log/record-calls.ts";
import type { Registration } from "@tl-engine/shared/process/registry.ts";
import type { Consumer, DeliveryItem, Queue } from "@tl-engine/shared/queue/queue.ts";
import { createCompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import { startComparing } from "./compare-with-record.ts";
import { createConclude } from "./conclude.ts";
import { createGiveBack } from "./give-back-batch.ts";
import type { AskPorts } from "./host/answering.ts";
import { createHosts, type RunRequest } from "./host/hosts.ts";
import type { HostMetrics } from "./host-metrics.ts";
import { createInHandList } from "./in-hand.ts";
import { putBack } from "./put-back.ts";
import { createRemoteOrders } from "./remote-orders.ts";
import type { ServedEngine } from "./served-engine.ts";
import { within } from "./within.ts";
import { createWork } from "./work.ts";

type WorkerSettings = Pick<
  Config,
  "graceMs" | "drainMs" | "maxOutputBytes" | "outboundAllow" | "publicUrl"
>;

/** What a worker is made of; `run-worker.ts` builds it, tests build another one. */
export interface WorkerDeps {
  settings: WorkerSettings;
  /** The engine versions that this worker has; it serves those that were published and not refused. */
  engines: readonly ServedEngine[];
  /** The folder, as a file address, from which package names are resolved. */
  resolveFrom: string;
  /** The environment that engines see. */
  engineEnv: Record<string, string | undefined>;
  db: Database;
  queue: Queue;
  signals: Signals;
  registration: Registration;
  enqueuer: Enqueuer;
  backlog: Backlog;
  /** Answers what the clients of engines ask. */
  ports: AskPorts<RunRequest>;
  /** Keeps requests, so that they can be sent again; null: none is kept. */
  secretBox?: SecretBox | null;
  metrics: WorkerMetrics;
  hostMetrics: HostMetrics;
  log: Log;
  onError: (error: unknown) => void;
  hooks?: FaultHooks;
}

export interface Worker {
  /** Loads the engines into their hosts. */
  start(): Promise<void>;
  /** Begins to take deliveries of one of them. */
  serve(engine: ServedEngine): void;
  /** Puts a call to the outside on record that was made for one of its executions. */
  recordCall(call: OutboundCall): void;
  /** Executions have become due: brings in those that are. */
  lookForDue(): void;
  /** Takes no more deliveries of it; what runs of it goes on. */
  unserve(engine: ServedEngine): Promise<void>;
  /**
   * Takes nothing new and lets what runs go on for up to the drain time, or until `hurry` aborts; gives back what
   * remains. Resolves when nothing runs here any more.
   */
  drain(hurry: AbortSignal): Promise<void>;
}

/** What is left of a drain gets this long to hear its signal before its threads are ended, ms. */
const lastWordsMs = 300;
/** The record of what ended gets this long; after that others find it by this worker's lease, ms. */
const lastWritesMs = 5_000;

/** Writes that are under way, by the execution that they belong to. */
function createPending(): {
  add(id: string, write: Promise<void>): void;
  settled(id: string): Promise<void>;
} {
  const pending = new Map<string, Promise<unknown>>();
  return {
    add(id, write) {
      const all = Promise.all([pending.get(id), write]);
      pending.set(id, all);
      void all.finally(() => {
        if (pending.get(id) === all) pending.delete(id);
      });
    },
    async settled(id) {
      await pending.get(id);
    },
  };
}

/** See {@link Worker}. */
export function createWorker(deps: WorkerDeps): Worker {
  const {
    settings,
    engines,
    db,
    queue,
    signals,
    registration,
    enqueuer,
    backlog,
    metrics,
    hostMetrics,
    log,
    onError,
  } = deps;
  const hooks = deps.hooks === undefined ? {} : { hooks: deps.hooks };
  const workerId = registration.id;
  const stopping = new AbortController();
  const inHand = createInHandList();
  const consumers = new Map<ServedEngine, Consumer>();

  const progress = createProgressWriter(db.pool, signals, onError);
  const { secretBox = null } = deps;
  const calls = createCallRecorder({
    pool: db.pool,
    now: () => registration.now(),
    seal: secretBox === null ? null : (plain, context) => secretBox.seal(plain, context),
    onDropped: metrics.outbound.dropped,
    onError,
    log,
  });
  const writesOf = createPending();
  const giveBack = createGiveBack({ db, enqueuer, signals, onError });
  const lookForDue = (): void => void makeDueReady(db.pool, enqueuer, backlog).catch(onError);
  const dueTimer = createDueTimer(lookForDue);

  const hosts = createHosts({
    engines: engines.map((engine) => engine.hosted),
    spec: {
      resolveFrom: deps.resolveFrom,
      outboundAllow: settings.outboundAllow,
      maxOutputBytes: settings.maxOutputBytes,
    },
    env: deps.engineEnv,
    graceMs: settings.graceMs,
    log,
    voices: {
      log(run, level, message, fields) {
        const whose =
          run === null
            ? {}
            : {
                execution_id: run.executionId,
                engine: run.engine.engineId,
                version: run.engine.version,
                attempt: run.attempt,
                dispatch: run.dispatch,
              };
        log[level](whose, fields === null ? message : `${message} ${fields}`);
      },
      progress({ executionId, dispatch }, fraction, message) {
        const written = progress.set({ id: executionId, dispatch, fraction, message });
        writesOf.add(executionId, written);
      },
      call: recordCall,
    },
    ports: deps.ports,
    onReplaced: hostMetrics.replaced,
  });
  hostMetrics.watch(hosts);

  const placeFreed = createFillFreedPlaces(db.pool, enqueuer, onError);
  const handOver = createHandOver({ db, signals, workerId, onError, ...hooks });
  const conclude = createConclude({
    settler: createSettler({ db, signals, onError, ...hooks }),
    // Whoever reads the result finds the calls that led to it, and the last progress.
    recorded: (executionId) => writesOf.settled(executionId),
    giveBack,
    handOver: (item) => handOver.handOver(item),
    releaseRetry: (item) => releaseRetries(db.pool, [item]),
    dueIn: (ms) => dueTimer.arm(ms),
    placeFreed({ descriptor: { id: engineId, version, policy } }) {
      const { concurrency } = policy;
      if (concurrency !== null) placeFreed({ engineId, version, concurrency });
    },
    onEnded({ descriptor: { id: engine } }, outcome, runMs) {
      metrics.attempts.inc({ engine, outcome });
      metrics.attemptDuration.observe({ engine }, runMs / 1_000);
    },
    log,
  });

  const work = createWork({
    starter: createStarter({
      db,
      workerId,
      graceMs: settings.graceMs,
      ensureLease: () => registration.ensureLease(),
      renewLease: () => registration.renewLease(),
      onError(error) {
        onError(error);
        // It may have been committed all the same.
        comparison.look();
      },
      ...hooks,
    }),
    hosts,
    inHand,
    conclude,
    putBack: (engine, items) => putBack(queue, engine, items, onError),
    remoteOrder: createRemoteOrders({
      tokens: secretBox === null ? null : createCompletionTokens(secretBox),
      now: () => registration.now(),
      publicUrl: settings.publicUrl,
    }),
    stopping: stopping.signal,
    log,
  });

  const comparison = startComparing({
    inHand,
    readHeld: () => readHeld(db.pool, workerId),
    giveBack,
    onError,
    log,
  });
  signals.subscribe("cancel", (id) => comparison.look(id));
  registration.onLost(() => {
    log.warn(
      { running: inHand.size },
      "this worker's lease had ended; what others took back is dropped",
    );
    comparison.look();
  });

  function recordCall(call: OutboundCall): void {
    metrics.outbound.count(call);
    const run = inHand.get(call.execution_id)?.run?.request;
    const whose = run && { callerId: run.callerId, engineId: run.engine.engineId };
    writesOf.add(call.execution_id, calls.record(call, whose ?? null));
  }

  function abortAll(): void {
    for (const [, { run }] of inHand.entries()) run?.abort("shutdown");
  }

  return {
    start: () => hosts.prepare(),
    recordCall,
    lookForDue,

    serve(engine) {
      if (stopping.signal.aborted) return;
      const { id: engineId, version } = engine.descriptor;
      const { total: slots } = engine.slots;
      const handle = (items: DeliveryItem[]) => work.take(engine, items);
      consumers.set(engine, queue.consume({ engineId, version, slots, handle }));
    },

    async unserve(engine) {
      const consumer = consumers.get(engine);
      consumers.delete(engine);
      // Whoever waits for a place puts back what he has.
      engine.slots.close();
      await consumer?.close();
    },

    async drain(hurry) {
      stopping.abort();
      const closed = [...consumers.values()].map((consumer) => consumer.close().catch(onError));
      for (const { slots } of consumers.keys()) slots.close();
      await registration.setDraining().catch(onError);
      await within(inHand.none(), settings.drainMs, hurry);
      if (inHand.size > 0) {
        log.warn({ running: inHand.size }, "what still runs is given back");
        abortAll();
        await within(inHand.none(), lastWordsMs);
      }
      // Whatever still runs is cut off, and given back once its thread is gone: it must not overlap its successor.
      await hosts.close();
      await within(inHand.none(), lastWritesMs);
      await calls.close(lastWritesMs);
      await within(Promise.all(closed), lastWordsMs);
      comparison.stop();
      dueTimer.close();
    },
  };
}
