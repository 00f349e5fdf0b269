import type { ExecutionStatus } from "@tl-engine/contract";

/**
 * Every move that an execution can make, by the file that makes it. Each is one guarded statement
 * (`WHERE status = … AND dispatch = …`); nothing else writes a status, and state-machine.test.ts holds them all to this
 * table.
 *
 *     (new) ──record──▶ scheduled ──make-ready──▶ queued ──start──▶ running ──settle──▶ succeeded
 *       └────record──────────────────────────────▶ │ ▲               │ ├────settle──▶ failed
 *                                                  │ └─settle (retry)┤ └────settle──▶ canceled
 *                                                  │ └─give-back ────┤ (the last of many, after a day: failed)
 *                                                  │ └─settle (park)─┤ (the last of many, after a day: failed)
 *                                                  │ └─take-back ────┘
 *                      cancel ──▶ canceled  end-overdue ──▶ expired, failed
 *
 * Within `running`, hand-over passes one from its worker to the service of a remote engine, which has no lease: what it
 * completes is settled, cancel ends it at once, and end-handed-over when its timeout is over (a retry, or failed).
 *
 * Within `queued`, one that has a wait reason is not in the queue: make-ready brings it there when it is due, refill when
 * it is its turn, ceiling when there is a place below the engine's concurrency. ceiling also takes it out again. One that
 * waits for a circuit is due at no time until release-parked says that it is.
 *
 * `dispatch` grows with every move into and out of `running`, so that what was said under an older one is dropped.
 * Every unfinished state has a deadline by Postgres' clock: `scheduled` and `queued` before the first start end as
 * `expired` when the ttl is over; `queued` after it ends as `failed` after {@link maxIdleMs}, and where it waits for a
 * circuit not before its ttl is over, too; `running` is ended
 * when its timeout, the grace period and a margin are over, or when its worker's lease is.
 */
export const moves: Readonly<Record<ExecutionStatus, readonly ExecutionStatus[]>> = {
  scheduled: ["queued", "canceled", "expired"],
  queued: ["queued", "running", "canceled", "expired", "failed"],
  running: ["queued", "succeeded", "failed", "canceled"],
  succeeded: [],
  failed: [],
  canceled: [],
  expired: [],
};

/** After its first start an execution that waits this long without running ends as failed. */
export const maxIdleMs = 24 * 3_600_000;

/** How many whole workers may be lost with one execution before it ends as `worker_lost`. */
export const maxLosses = 3;

/** How many attempts are listed of an execution that is given back again and again, before it may end as failed. */
export const maxReturns = 100;

/** The same for one that is parked again and again: it fails after a day of it, once its ttl is over, too. */
export const maxParks = 100;

/** No execution is parked for longer than this at a time, whatever the other side asks for, ms. */
export const maxParkMs = 24 * 3_600_000;

/** How much longer than timeout and grace a running execution has before the reconciler ends it itself, ms. */
export const overdueMarginMs = 30_000;
