import type pg from "pg";
import { createBatcher } from "../batch/batcher.ts";
import { isUnavailable } from "../db/error-class.ts";
import { untilAvailable } from "../executions/until-available.ts";
import type { SecretBox } from "../secrets/secret-box.ts";
import type { Signals } from "../signals/signals.ts";
import { callbackBody, testBody } from "./callback-body.ts";
import { readCallbackSecret } from "./callback-secret.ts";
import {
  claimDeliveries,
  readDueCallbacks,
  type ClaimedDelivery,
  type DueCallbacks,
  type Place,
} from "./claim.ts";
import { endPendingOf } from "./end-pending.ts";
import { recordTries, type TryResult } from "./record-tries.ts";
import { nextTryInMs } from "./schedule.ts";
import { endpointSecretContext } from "./signing-secret.ts";

/** One signed POST that has to be made. */
export interface CallbackRequest {
  /** The `webhook-id`. */
  id: string;
  /** null: a test of an endpoint. */
  executionId: string | null;
  callerId: string;
  endpointId: string | null;
  url: string;
  body: string;
  /** All of them sign. */
  secrets: readonly string[];
  /** Which try this is, from 1 on. */
  try: number;
  signal: AbortSignal;
}

/** What came of it: a status, or why there is none. */
export interface CallbackAnswer {
  status: number | null;
  /** What the receiver asked for, ms. */
  retryAfterMs: number | null;
  /** null where there is a status. */
  error: string | null;
  /** It would end like this every time: the address is not allowed. */
  refused: boolean;
}

/** Makes the POST: through the guarded door, and never a redirect. It does not throw, except when the signal aborts. */
export type SendCallback = (request: CallbackRequest) => Promise<CallbackAnswer>;

export interface DelivererOptions {
  pool: pg.Pool;
  signals: Signals;
  box: SecretBox;
  workerId: string;
  send: SendCallback;
  onError: (error: unknown) => void;
  /** Hears what came of each try. */
  onTry?(outcome: Exclude<TryResult["outcome"], "returned">): void;
  /** Hears, once a second, since when the oldest of those that are due is, ms. */
  onLag?(lagMs: number): void;
  /** Tries under way at once. */
  concurrency?: number;
  /** Of these, to one address. */
  perTarget?: number;
  /** Between two looks that no signal asked for. */
  pollMs?: number;
  leaseMs?: number;
}

export interface Deliverer {
  start(): void;
  /** Takes nothing new, and resolves when nothing is under way any more; what is not sent within `patienceMs` is given back. */
  stop(patienceMs?: number): Promise<void>;
}

/** A try may take 15 s (`SendCallback` sees to it); what is beyond that is for reading and writing. */
const usualLeaseMs = 60_000;
/** A try that could not begin within this part of the lease is given back: its end might be somebody else's beginning. */
const latestStart = 0.5;
/** Looks that signals ask for come no closer than this, ms. */
const restMs = 25;
/** Every second round each caller has so few of his addresses looked at, so that one with very many keeps nobody waiting. */
const fewTargets = 8;

/**
 * Sends what is owed to callbacks and webhook endpoints, beside everything else. Any number of processes may do it: each
 * takes what is due by Postgres' clock. A delivery whose process is killed between the POST and its record is due again
 * when its lease ends, under the same `webhook-id`.
 */
export function createDeliverer(options: DelivererOptions): Deliverer {
  const { pool, signals, box, send, onError, onTry } = options;
  const { concurrency = 32, perTarget = 4, pollMs = 1_000, leaseMs = usualLeaseMs } = options;
  const aborting = new AbortController();
  const underWay = new Map<string, Place & { count: number }>();
  const tries = new Set<Promise<void>>();
  let stopped = true;
  let timer: NodeJS.Timeout | null = null;
  let wake: NodeJS.Timeout | null = null;
  let looking: Promise<void> | null = null;
  let lookAgain = false;
  let place: Place | null = null;
  let thorough = false;
  /** Whether an execution that ends is likely to be one to tell of: only then is the signal of its end worth a look. */
  let inUse = false;

  const recorder = createBatcher<TryResult, void>({
    maxItems: 100,
    lanes: 1,
    async run(results) {
      const off = await recordTries(pool, results);
      for (const id of off) await endPendingOf(pool, id);
      return results.map(() => undefined);
    },
  });

  async function attempt(delivery: ClaimedDelivery, claimedAt: number): Promise<void> {
    const { id, claims } = delivery;
    let result: Omit<TryResult, "id" | "claims">;
    try {
      result = await resultOf(delivery, claimedAt);
    } catch (error) {
      if (!aborting.signal.aborted) onError(error);
      // Nothing was sent, or nobody waited for the answer any more: that is no try of the receiver's.
      result =
        aborting.signal.aborted || isUnavailable(error)
          ? { ...returned, delayMs: aborting.signal.aborted ? 0 : pollMs }
          : failed(delivery, null, "it could not be prepared here", null);
    }
    if (result.outcome !== "returned") onTry?.(result.outcome);
    // Whoever cannot write it by the lease's end has somebody else send it again: as a kill would.
    await untilAvailable(() => recorder.add({ id, claims, ...result }), {
      onError,
      signal: AbortSignal.any([aborting.signal, AbortSignal.timeout(leaseMs)]),
    });
  }

  async function resultOf(
    delivery: ClaimedDelivery,
    claimedAt: number,
  ): Promise<Omit<TryResult, "id" | "claims">> {
    const { id, execution_id: executionId, endpoint_id: endpointId } = delivery;
    if (!delivery.is_active) {
      const error = "the endpoint is switched off or removed";
      return { outcome: "disabled", status: null, error, delayMs: null };
    }
    const body =
      executionId === null
        ? testBody(endpointId ?? "", delivery.created_at)
        : await callbackBody(pool, executionId, delivery.event);
    if (body === null) {
      const error = "the execution has been removed";
      return { outcome: "failed", status: null, error, delayMs: null };
    }
    const secrets = await secretsOf(delivery);
    if (aborting.signal.aborted || performance.now() - claimedAt > leaseMs * latestStart)
      return returned;
    const answer = await send({
      id,
      executionId,
      callerId: delivery.caller_id,
      endpointId,
      url: delivery.url,
      body,
      secrets,
      try: delivery.tries,
      signal: aborting.signal,
    });
    const { status } = answer;
    if (status === null && answer.refused)
      return { outcome: "failed", status: null, error: answer.error, delayMs: null };
    if (status === null) return failed(delivery, null, answer.error, answer.retryAfterMs);
    if (status >= 200 && status < 300)
      return { outcome: "delivered", status, error: null, delayMs: null };
    if (status === 410) {
      const error = "it answered 410: nothing is sent there any more";
      return { outcome: "gone", status, error, delayMs: null };
    }
    const error =
      status >= 300 && status < 400
        ? `it answered ${status}: redirects are not followed`
        : `it answered ${status}`;
    return failed(delivery, status, error, answer.retryAfterMs);
  }

  async function secretsOf(delivery: ClaimedDelivery): Promise<string[]> {
    const { endpoint_id: endpointId, secret, previous_secret: previous } = delivery;
    if (endpointId === null) {
      const own = await readCallbackSecret(pool, box, delivery.caller_id);
      return [own.secret, own.previous_secret].filter((one) => one !== null);
    }
    const context = endpointSecretContext(endpointId);
    return [secret, previous].filter((one) => one !== null).map((one) => box.open(one, context));
  }

  function begin(delivery: ClaimedDelivery): void {
    const key = `${delivery.caller_id}\n${delivery.target}`;
    const lane = underWay.get(key) ?? {
      caller: delivery.caller_id,
      target: delivery.target,
      count: 0,
    };
    lane.count += 1;
    underWay.set(key, lane);
    const one = attempt(delivery, performance.now())
      .catch(onError)
      .finally(() => {
        tries.delete(one);
        lane.count -= 1;
        if (lane.count === 0) underWay.delete(key);
        // Its place is free: more of the same may wait.
        look();
      });
    tries.add(one);
  }

  /** Takes what there is room for, in rounds over all callers; two in a row without a find end it. */
  async function fill(): Promise<void> {
    let fruitless = 0;
    let found = false;
    while (!stopped && tries.size < concurrency && fruitless < 2) {
      const from = place;
      const { deliveries, last, skipped } = await claimDeliveries(pool, {
        workerId: options.workerId,
        room: concurrency - tries.size,
        busy: [...underWay.values()],
        perTarget,
        leaseMs,
        after: from,
        targetsPerCaller: thorough ? null : fewTargets,
      });
      for (const delivery of deliveries) begin(delivery);
      found ||= deliveries.length > 0;
      place = last;
      // All was seen at once, as nearly always: whatever is left waits for a place, and each end looks anew.
      if (from === null && last === null && !skipped) return;
      if (last !== null) continue;
      fruitless = found ? 0 : fruitless + 1;
      found = false;
      thorough = !thorough;
    }
  }

  function look(): void {
    if (stopped) return;
    if (looking !== null) {
      lookAgain = true;
      return;
    }
    looking = fill()
      .catch(onError)
      .finally(() => {
        looking = null;
        if (!lookAgain) return;
        lookAgain = false;
        look();
      });
  }

  function schedule(inMs: number): void {
    if (stopped) return;
    timer = setTimeout(() => {
      void poll()
        .catch((error: unknown) => {
          onError(error);
          return pollMs;
        })
        .then(schedule);
    }, inMs);
  }

  /** @returns when to look again, ms */
  async function poll(): Promise<number> {
    const due: DueCallbacks = await readDueCallbacks(pool);
    inUse = due.endpoints || due.dueInMs !== null;
    options.onLag?.(due.dueInMs === null ? 0 : Math.max(0, -due.dueInMs));
    if (due.dueInMs === null) return pollMs;
    if (due.dueInMs <= 0) look();
    return due.dueInMs <= 0 ? pollMs : Math.min(pollMs, Math.max(5, due.dueInMs));
  }

  // A hint: something has ended, and may have to be told. Many come together.
  signals.subscribe("settled", () => {
    if (stopped || !inUse || wake !== null) return;
    wake = setTimeout(() => {
      wake = null;
      look();
    }, restMs);
  });

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      schedule(0);
    },
    async stop(patienceMs = 3_000) {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      if (wake !== null) clearTimeout(wake);
      await looking;
      const patience = setTimeout(() => aborting.abort(), patienceMs);
      await Promise.all(tries);
      clearTimeout(patience);
    },
  };
}

const returned = { outcome: "returned", status: null, error: null, delayMs: 0 } as const;

/** A try that failed: again by the schedule, or for the last time. Tests are made once. */
function failed(
  delivery: ClaimedDelivery,
  status: number | null,
  error: string | null,
  retryAfterMs: number | null,
): Omit<TryResult, "id" | "claims"> {
  const delayMs = delivery.execution_id === null ? null : nextTryInMs(delivery.tries, retryAfterMs);
  return { outcome: delayMs === null ? "failed" : "retry", status, error, delayMs };
}
