import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Execution } from "@tl-engine/client";
import type { Bed } from "../bed/bed.ts";
import { auditBooks, type Audit } from "./audit.ts";
import { createCaller, type Caller, type Try } from "./caller.ts";
import { readCounters } from "./counters.ts";
import type { Figures } from "./figures.ts";
import { bodyOf } from "./model.ts";
import type { Order } from "./order.ts";
import { watchEnds } from "./watch-ends.ts";

export interface LedgerOptions {
  /** The fault makes the API refuse: no share of accepted tries is demanded. Else it is 90 %. */
  refusalsExpected?: boolean;
  /** False: no status is read before the audit. */
  watch?: boolean;
}

export interface LoadOptions {
  engine: string;
  /** The n-th one's input. */
  input: (n: number) => unknown;
  /** The n-th one's `options`. */
  options?: (n: number) => Record<string, unknown>;
  /** The n-th one's `callback`. */
  callback?: (n: number) => { url: string };
  /** How many; left out: as long as `goOn` says so. */
  count?: number;
  /** Asked before each. */
  goOn?: () => boolean;
  /** How many are on their way at once. Default 8. */
  parallel?: number;
  /** ms between two submits of one lane. Default 0. */
  paceMs?: number;
  /** Told after each accepted one. */
  onAccepted?: (accepted: number) => void;
}

/** A caller who keeps books: each submit has a key, is repeated until it is accepted, and has to end as the model says. */
export interface Ledger {
  /** By idempotency key. */
  readonly orders: ReadonlyMap<string, Order>;
  /** Key → execution id, of those that were accepted. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Every request that was made, reads too. */
  readonly tries: readonly Try[];
  /** Those that submitted. */
  submits(): Try[];
  /** @throws AssertionError where a submit was answered, and not with 2xx */
  assertNoRefusals(): void;
  readonly caller: Caller;
  /** Known to have ended, by reads so far. */
  readonly finished: ReadonlyMap<string, Execution>;
  /**
   * @param copies how often it is sent at once, with the same key
   * @returns the execution's id, once it is accepted
   */
  submit(order: Order, copies?: number): Promise<string>;
  /** Books an order under a key of the caller's own, which was sent before and whose answer was lost. */
  resubmit(key: string, order: Order): Promise<string>;
  /** Submits through all living APIs in turn. Resolves when all are accepted. */
  load(options: LoadOptions): Promise<void>;
  /**
   * Waits until all that was accepted has ended, and compares with the record, exactly.
   *
   * @param withinMs from now
   * @throws AuditError with all that is not as it must be
   */
  audit(withinMs: number): Promise<Audit>;
  /** As far as they are known. */
  figures(): Figures | null;
  /** Ends its own reading. */
  close(): Promise<void>;
}

/** How often statuses are read while the case runs, ms; each read asks for so many. */
const watchEveryMs = 400;
const watchCount = 60;

/** @param engines those that this ledger submits to, and nobody else meanwhile */
export async function openLedger(
  bed: Bed,
  engines: readonly string[],
  { refusalsExpected = false, watch = true }: LedgerOptions = {},
): Promise<Ledger> {
  const caller = createCaller(bed);
  const countersBefore = await readCounters(bed, engines);
  const mark = (await bed.trail?.mark()) ?? 0;
  const name = randomUUID();
  const orders = new Map<string, Order>();
  const accepted = new Map<string, string>();
  const contradictions: string[] = [];
  const ends = watchEnds();
  let audited: Audit | null = null;
  let watching = watch;

  /** Takes note of what a key stands for, which is for ever. */
  function note(key: string, id: string): void {
    const before = accepted.get(key);
    if (before === undefined) accepted.set(key, id);
    else if (before !== id) contradictions.push(`key ${key} gave ${before}, and later ${id}`);
  }
  async function send(key: string): Promise<string> {
    const json = bodyOf(orders.get(key) as Order);
    const answer = await caller.insist("/engines/execute", { json, key });
    const id = answer.json.execution_id as string;
    note(key, id);
    return id;
  }
  const submit = async (order: Order, copies = 1): Promise<string> => {
    const key = `${name}/${orders.size}`;
    orders.set(key, order);
    const [id] = await Promise.all(Array.from({ length: copies }, () => send(key)));
    return id as string;
  };
  async function readSome(from: number): Promise<void> {
    const ids = [...accepted.values()];
    if (ids.length === 0) return;
    const start = from % ids.length;
    const some = ids.slice(start, start + watchCount).join(",");
    const answer = await caller.ask(`/engines/status?execution_id=${some}&include=output,attempts`);
    if (answer === null || answer.status !== 200) return;
    for (const id of answer.json.not_found as string[]) contradictions.push(`${id} was not found`);
    for (const execution of answer.json.executions as Execution[]) ends.see(execution);
  }
  const watcher = (async () => {
    for (let turn = 0; watching; turn++) {
      await readSome(turn * watchCount);
      await delay(watchEveryMs);
    }
  })();

  const ledger: Ledger = {
    orders,
    accepted,
    caller,
    tries: caller.tries,
    submits: () => caller.tries.filter(({ key }) => key !== null),
    assertNoRefusals() {
      const refused = ledger.submits().filter(({ status }) => status !== null && status >= 300);
      assert.deepEqual(refused, []);
    },
    finished: ends.finished,
    submit,
    resubmit(key, order) {
      orders.set(key, order);
      return send(key);
    },
    async load({
      engine,
      input,
      options,
      callback,
      count = Infinity,
      goOn,
      parallel = 8,
      paceMs = 0,
      onAccepted,
    }) {
      let next = 0;
      let done = 0;
      const lane = async (): Promise<void> => {
        while (next < count && goOn?.() !== false) {
          const n = next++;
          await submit({
            engine,
            input: input(n),
            ...(options && { options: options(n) }),
            ...(callback && { callback: callback(n) }),
          });
          onAccepted?.(++done);
          if (paceMs > 0) await delay(paceMs);
        }
      };
      await Promise.all(Array.from({ length: Math.min(parallel, count) }, lane));
    },
    async audit(withinMs) {
      await ledger.close();
      const books = { orders, accepted, submits: ledger.submits(), contradictions };
      const before = { counters: countersBefore, mark };
      await auditBooks(
        bed,
        caller,
        { books, ends, before, engines, refusalsExpected, withinMs },
        (known) => {
          audited = known;
        },
      );
      return audited as unknown as Audit;
    },
    figures: () => audited?.figures ?? null,
    async close() {
      watching = false;
      await watcher;
    },
  };
  return ledger;
}
