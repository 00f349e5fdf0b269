import type { Database } from "@tl-engine/shared/db/database.ts";
import { createDeliverer, type Deliverer } from "@tl-engine/shared/callbacks/deliverer.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import type { CallbackMetrics } from "@tl-engine/shared/metrics/callback-metrics.ts";
import type { ToldCall } from "@tl-engine/shared/outbound-log/told-call.ts";
import { createCallRecorder } from "@tl-engine/shared/outbound-log/record-calls.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import type { MainDoor } from "../ports/main-door.ts";
import { createCallbackSender } from "./send-callback.ts";

export interface StartDelivererOptions {
  db: Database;
  signals: Signals;
  door: Pick<MainDoor, "forCallbacks">;
  /** null: nothing can be signed here, and this worker sends no callbacks. */
  box: SecretBox | null;
  workerId: string;
  /** Postgres' time, ms since 1970. */
  now(): number;
  metrics: CallbackMetrics;
  /** Counts each call to the outside. */
  countCall(call: ToldCall): void;
  onDropped?: NonNullable<Parameters<typeof createCallRecorder>[0]["onDropped"]>;
  log: Log;
  onError: (error: unknown) => void;
}

/** How long the log of what was sent may still be written at the end, ms. */
const lastWritesMs = 1_000;

/** Sends callbacks beside the work of this worker, until it is stopped. */
export function startDeliverer(options: StartDelivererOptions): Pick<Deliverer, "stop"> {
  const { db, box, metrics, log, onError } = options;
  if (box === null) {
    log.info({ reason: "TL_SECRET_KEY is not set" }, "this worker sends no callbacks");
    return { stop: () => Promise.resolve() };
  }
  const calls = createCallRecorder({
    pool: db.pool,
    now: options.now,
    seal: null,
    onError,
    log,
    ...(options.onDropped && { onDropped: options.onDropped }),
  });
  const deliverer = createDeliverer({
    pool: db.pool,
    signals: options.signals,
    box,
    workerId: options.workerId,
    send: createCallbackSender({
      door: options.door,
      now: options.now,
      record(call, callerId) {
        options.countCall(call);
        void calls.record(call, callerId === null ? null : { callerId, engineId: null });
      },
    }),
    onError,
    onTry: (outcome) => metrics.count(outcome),
    onLag: (lagMs) => metrics.lag.set(lagMs / 1_000),
  });
  deliverer.start();
  return {
    async stop(patienceMs) {
      await deliverer.stop(patienceMs);
      await calls.close(lastWritesMs);
    },
  };
}
