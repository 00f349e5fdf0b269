import { randomUUID } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { closeDatabase, openDatabase, type Database } from "../db/database.ts";
import { createBacklog, type Backlog } from "../executions/backlog.ts";
import type { Canary } from "../executions/canary.ts";
import { createEnqueuer, type Enqueuer } from "../executions/enqueuer.ts";
import type { FaultHooks } from "../executions/hooks.ts";
import type { NewExecution } from "../executions/record.ts";
import { createSettler, type Settler } from "../executions/settle.ts";
import { createStarter, type Starter } from "../executions/start.ts";
import { createSubmitter, type Submitter } from "../executions/submit.ts";
import { registerProcess, type Registration } from "../process/registry.ts";
import { openQueue } from "../queue/open-queue.ts";
import type { DeliveryItem, Queue } from "../queue/queue.ts";
import { openSignals } from "../signals/open-signals.ts";
import type { Signals } from "../signals/signals.ts";

/** Everything that one process has of the path of an execution, for tests. */
export interface Stack {
  db: Database;
  signals: Signals;
  queue: Queue;
  registration: Registration;
  enqueuer: Enqueuer;
  backlog: Backlog;
  submitter: Submitter;
  starter: Starter;
  settler: Settler;
  errors: unknown[];
  close(): Promise<void>;
}

export interface StackOptions {
  databaseUrl: string;
  redisUrl: string | null;
  kind?: "api" | "worker";
  leaseMs?: number;
  hooks?: FaultHooks;
  doubtMs?: number;
  /** As in production no more is in the queue than is needed; otherwise everything goes there at once. */
  bounded?: boolean;
}

/** Opens a {@link Stack}. */
export async function openStack(options: StackOptions): Promise<Stack> {
  const { databaseUrl, redisUrl, kind = "worker", leaseMs = 15_000, hooks } = options;
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const db = openDatabase({ url: databaseUrl, max: 5, applicationName: "tl-test", onError });
  const signals = openSignals({ redisUrl, databaseUrl, pool: db.pool, onError });
  const queue = openQueue({ redisUrl, databaseUrl, lockMs: leaseMs, consumed: 4, onError });
  const registration = await registerProcess(db, { kind, leaseMs, onError });
  const withHooks = hooks === undefined ? {} : { hooks };
  const enqueuer = createEnqueuer({
    processId: registration.id,
    startedAt: registration.startedAt,
    queue,
    pool: db.pool,
    perJob: () => 1,
    onError,
    retryMs: 50,
    doubtMs: options.doubtMs ?? 1_000,
    ...withHooks,
  });
  registration.reportEnqueuedThrough(() => enqueuer.enqueuedThrough());
  const backlog = options.bounded ? createBacklog({ pool: db.pool, enqueuer, onError }) : noBacklog;
  const ensureLease = () => registration.ensureLease();
  return {
    db,
    signals,
    queue,
    registration,
    enqueuer,
    backlog,
    submitter: createSubmitter({ db, enqueuer, backlog, ensureLease, ...withHooks }),
    starter: createStarter({
      db,
      workerId: registration.id,
      graceMs: 5_000,
      ensureLease,
      renewLease: () => registration.renewLease(),
      onError,
      ...withHooks,
    }),
    settler: createSettler({ db, signals, onError, ...withHooks }),
    errors,
    async close() {
      await backlog.close();
      await enqueuer.close();
      await registration.close();
      await queue.close();
      await signals.close();
      await closeDatabase(db);
    },
  };
}

/** A new execution with everything filled in. */
export function newExecution(over: Partial<NewExecution> = {}): NewExecution {
  return {
    id: uuidv7(),
    callerId: "key:abc",
    engineId: "echo",
    version: 1,
    priority: "normal",
    runAt: null,
    delayMs: null,
    ttlMs: 86_400_000,
    timeoutMs: 60_000,
    maxAttempts: 3,
    inputText: '{"a":1}',
    tags: [],
    metadataText: "{}",
    idempotency: null,
    traceparent: null,
    callbackText: null,
    ...over,
  };
}

/** Hears deliveries of an engine version and lets a test wait for them. */
export function listenForDeliveries(
  queue: Queue,
  engineId: string,
  version = 1,
  slots = 10,
): { items: DeliveryItem[]; next(count: number): Promise<DeliveryItem[]>; close(): Promise<void> } {
  const items: DeliveryItem[] = [];
  let waiting: { count: number; resolve: () => void } | null = null;
  const consumer = queue.consume({
    engineId,
    version,
    slots,
    async handle(delivered) {
      items.push(...delivered);
      if (waiting !== null && items.length >= waiting.count) waiting.resolve();
    },
  });
  return {
    items,
    async next(count) {
      if (items.length < count) {
        await new Promise<void>((resolve) => {
          waiting = { count, resolve };
        });
      }
      return items.splice(0, count);
    },
    close: () => consumer.close(),
  };
}

/** An engine id that no other test uses. */
export function freshEngineId(): string {
  return `test-${randomUUID().slice(0, 8)}`;
}

/** A queue into which everything goes at once. */
export const noBacklog: Backlog = {
  plan: (engines) => engines.map(() => true),
  placed: () => {},
  look: () => {},
  windows: () => [],
  close: async () => {},
};

/** A queue whose store never loses anything. */
export const noCanary: Canary = {
  read: async () => Number.MAX_SAFE_INTEGER,
  write: async () => {},
};
