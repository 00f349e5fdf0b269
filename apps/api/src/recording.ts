import { setTimeout as sleep } from "node:timers/promises";
import type { Catalogue } from "@tl-engine/shared/catalogue/catalogue.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import { pendingMigrations } from "@tl-engine/shared/db/migrate.ts";
import { createBacklog } from "@tl-engine/shared/executions/backlog.ts";
import type { Canary } from "@tl-engine/shared/executions/canary.ts";
import type { LimitedEngine } from "@tl-engine/shared/executions/ceiling.ts";
import { createDueTimer } from "@tl-engine/shared/executions/due-timer.ts";
import { createEnqueuer, itemsPerJob } from "@tl-engine/shared/executions/enqueuer.ts";
import { createExecutionIds } from "@tl-engine/shared/executions/execution-ids.ts";
import { createFillFreedPlaces } from "@tl-engine/shared/executions/fill-freed-places.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import { makeDueReady } from "@tl-engine/shared/executions/make-ready.ts";
import { createReconciler, type TurnReport } from "@tl-engine/shared/executions/reconcile.ts";
import type { Retention } from "@tl-engine/shared/executions/retention.ts";
import { createSubmitter, type Submitter } from "@tl-engine/shared/executions/submit.ts";
import { untilAvailable } from "@tl-engine/shared/executions/until-available.ts";
import { registerProcess } from "@tl-engine/shared/process/registry.ts";
import type { Queue } from "@tl-engine/shared/queue/queue.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import { unavailable } from "./unavailable.ts";

export interface RecordingOptions {
  db: Database;
  queue: Queue;
  signals: Signals;
  catalogue: Catalogue;
  canary: Canary;
  leaseMs: number;
  reconcileIntervalMs: number;
  onError: (error: unknown) => void;
  onTurn(report: TurnReport): void;
  retention: Retention;
  /** Hears what the start waits for, once each. */
  onWait(reason: string): void;
  hooks?: FaultHooks;
}

/** What writes to the record: this process' lease, its submitter, its share in reconciling. */
export interface Recording {
  /** Refuses with 503 until Postgres was there and migrated. */
  readonly submitter: Submitter;
  /** Postgres' time in ms since 1970; until it was there, this process' own. */
  now(): number;
  /** @throws Refusal 503 until Postgres was there */
  newExecutionId(): string;
  /** An execution is due again in so many ms. */
  dueIn(ms: number): void;
  /** A place under an engine's ceiling is free. */
  placeFreed(engine: LimitedEngine): void;
  /** Why nothing can be recorded yet; null once it can. */
  waitsFor(): string | null;
  /** Resolves once it can. */
  readonly started: Promise<void>;
  /** Enqueues what is under way, gives up the lead and the lease. */
  stop(): Promise<void>;
}

interface Parts {
  submitter: Submitter;
  dueIn(ms: number): void;
  placeFreed(engine: LimitedEngine): void;
  now(): number;
  newExecutionId(): string;
  stop(): Promise<void>;
}

/** Starts recording, and waits for Postgres and its migrations for as long as it takes: no crash loop. */
export function startRecording(options: RecordingOptions): Recording {
  const { db, catalogue, onError, onWait } = options;
  const stopping = new AbortController();
  let waiting: string | null = "postgres";
  let parts: Parts | null = null;
  onWait(waiting);

  async function start(): Promise<void> {
    const patience = { signal: stopping.signal, onError };
    for (;;) {
      const pending = await untilAvailable(() => pendingMigrations(db.pool), patience);
      if (pending.length === 0) break;
      if (waiting !== "migrations") onWait((waiting = "migrations"));
      await sleep(500, undefined, { signal: stopping.signal });
    }
    await untilAvailable(() => catalogue.ready(), patience);
    parts = await untilAvailable(() => makeParts(options), patience);
    waiting = null;
  }

  const started = start();
  started.catch((error: unknown) => {
    if (!stopping.signal.aborted) onError(error);
  });

  const current = (): Parts => {
    if (parts === null) throw unavailable("The service is starting; try again");
    return parts;
  };
  return {
    now: () => parts?.now() ?? Date.now(),
    newExecutionId: () => current().newExecutionId(),
    dueIn: (ms) => parts?.dueIn(ms),
    placeFreed: (engine) => parts?.placeFreed(engine),
    submitter: {
      submit: async (execution) => current().submitter.submit(execution),
      findReplay: async (...request) => current().submitter.findReplay(...request),
    },
    waitsFor: () => waiting,
    started,
    async stop() {
      stopping.abort();
      await started.catch(() => undefined);
      await parts?.stop();
    },
  };
}

async function makeParts(options: RecordingOptions): Promise<Parts> {
  const { db, queue, signals, catalogue, canary, leaseMs, onError, hooks } = options;
  const registration = await registerProcess(db, { kind: "api", leaseMs, onError });
  const withHooks = hooks === undefined ? {} : { hooks };
  const enqueuer = createEnqueuer({
    processId: registration.id,
    startedAt: registration.startedAt,
    queue,
    pool: db.pool,
    perJob: (engineId, version) => itemsPerJob(shortMsOf(catalogue, engineId, version)),
    onError,
    ...withHooks,
  });
  registration.reportEnqueuedThrough(() => enqueuer.enqueuedThrough());
  const backlog = createBacklog({ pool: db.pool, enqueuer, onError });
  const reconciler = createReconciler({
    pool: db.pool,
    queue,
    enqueuer,
    backlog,
    signals,
    canary,
    leaseMs,
    intervalMs: options.reconcileIntervalMs,
    onError,
    onTurn: options.onTurn,
    retention: options.retention,
  });
  reconciler.start();
  const dueTimer = createDueTimer(
    () => void makeDueReady(db.pool, enqueuer, backlog).catch(onError),
  );
  const dueIn = (ms: number) => dueTimer.arm(ms);
  const ensureLease = () => registration.ensureLease();
  return {
    submitter: createSubmitter({ db, enqueuer, backlog, ensureLease, dueIn, ...withHooks }),
    dueIn,
    placeFreed: createFillFreedPlaces(db.pool, enqueuer, onError),
    now: () => registration.now(),
    newExecutionId: createExecutionIds(() => registration.now()),
    async stop() {
      dueTimer.close();
      await reconciler.stop();
      await backlog.close();
      await enqueuer.close();
      await registration.close();
    },
  };
}

function shortMsOf(catalogue: Catalogue, engineId: string, version: number): number | null {
  const engine = catalogue.versions(engineId).find((one) => one.version === version);
  return engine?.policy.short_ms ?? null;
}
