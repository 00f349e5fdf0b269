import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Client, Execution } from "@tl-engine/client";
import { expect } from "vitest";
import type { Deployment } from "./deployment.ts";
import { eventually } from "./eventually.ts";
import { request } from "./request.ts";

/** One try to submit, as the caller saw it. */
export interface Try {
  key: string;
  api: number;
  /** null: no answer. */
  status: number | null;
  retryAfter: string | null;
  ms: number;
}

export interface LoadOptions {
  engine: string;
  /** The n-th one's input. */
  input: (n: number) => unknown;
  count: number;
  /** How many are on their way at once. Default 8. */
  parallel?: number;
  /** ms between two submits of one lane. Default 0. */
  paceMs?: number;
  /** Told after each accepted one. */
  onAccepted?: (accepted: number) => void;
}

/** What was asked for, what was promised, what came of it. */
export interface Tally {
  submitted: number;
  accepted: number;
  /** Tries that were not answered with 2xx. */
  refused: number;
  ended: number;
  succeeded: number;
  lost: number;
}

/** A caller who keeps books: each submit has a key, is repeated until it is accepted, and has to end. */
export interface Ledger {
  readonly tries: Try[];
  /** Key → execution id, of those that were accepted. */
  readonly accepted: Map<string, string>;
  /** Submits through all living APIs in turn. Resolves when all are accepted. */
  load(options: LoadOptions): Promise<void>;
  /**
   * Waits until all that was accepted has ended, and compares: every key still names its execution, every execution
   * ended once, and none that nobody knows of was recorded.
   */
  audit(withinMs: number): Promise<{ tally: Tally; executions: Execution[] }>;
}

/** @param engines those that the ledger submits to, and nobody else meanwhile */
export async function openLedger(
  deployment: Deployment,
  engines: readonly string[],
): Promise<Ledger> {
  const client = (): Client => deployment.client(livingApis(deployment)[0]);
  const before = await totals(client(), engines);
  const tries: Try[] = [];
  const accepted = new Map<string, string>();
  const name = randomUUID();
  const bodies = new Map<string, { engine: string; input: unknown }>();
  let turn = 0;

  async function tryOnce(key: string): Promise<string | null> {
    const living = livingApis(deployment);
    const api = living[turn++ % Math.max(living.length, 1)];
    if (api === undefined) return null;
    const startedAt = performance.now();
    const one: Try = { key, api, status: null, retryAfter: null, ms: 0 };
    let id: string | null = null;
    let mistake: Error | null = null;
    try {
      const answer = await request(`${deployment.apis[api]?.url}/api/v1/engines/execute`, {
        json: bodies.get(key),
        headers: { "x-api-key": deployment.planeKey, "idempotency-key": key },
        signal: AbortSignal.timeout(20_000),
      });
      one.status = answer.status;
      one.retryAfter = answer.headers.get("retry-after");
      if (answer.status === 200 || answer.status === 202) id = answer.json.execution_id as string;
      else if (answer.status < 500 && answer.status !== 409) mistake = new Error(answer.text);
    } catch {
      // No answer: it may have been accepted or not, which is what the key is for.
    }
    one.ms = performance.now() - startedAt;
    tries.push(one);
    if (mistake !== null) throw mistake;
    return id;
  }

  async function submit(key: string): Promise<void> {
    for (;;) {
      const id = await tryOnce(key);
      if (id !== null) {
        accepted.set(key, id);
        return;
      }
      await delay(50);
    }
  }

  return {
    tries,
    accepted,
    async load({ engine, input, count, parallel = 8, paceMs = 0, onAccepted }) {
      const from = bodies.size;
      for (let n = 0; n < count; n++)
        bodies.set(`${name}/${from + n}`, { engine, input: input(n) });
      let next = from;
      const lane = async (): Promise<void> => {
        while (next < from + count) {
          await submit(`${name}/${next++}`);
          onAccepted?.(accepted.size - from);
          if (paceMs > 0) await delay(paceMs);
        }
      };
      await Promise.all(Array.from({ length: parallel }, lane));
    },
    async audit(withinMs) {
      const ids = [...accepted.values()];
      expect(new Set(ids).size).toBe(bodies.size);
      const open = new Set(ids);
      const executions = new Map<string, Execution>();
      await eventually(
        "all that was accepted has ended",
        async () => {
          const batch = await client().statuses([...open], { include: ["output", "attempts"] });
          expect(batch.not_found).toEqual([]);
          for (const execution of batch.executions) {
            if (!execution.done) continue;
            open.delete(execution.execution_id);
            executions.set(execution.execution_id, execution);
          }
          return open.size === 0 ? true : null;
        },
        { withinMs, everyMs: 100 },
      ).catch(async (error: unknown) => {
        const { executions: unfinished } = await client().statuses([...open].slice(0, 20), {
          include: ["attempts"],
        });
        console.log(`${open.size} have not ended:\n${JSON.stringify(unfinished, null, 1)}`);
        throw error;
      });

      // The same keys again: no second execution, and nothing finished has changed.
      const again = await client().statuses(ids, { include: ["output", "attempts"] });
      expect(new Map(again.executions.map((one) => [one.execution_id, one]))).toEqual(executions);
      for (const [key, id] of [...accepted].slice(0, 20)) expect(await tryOnce(key)).toBe(id);
      // Counted where each move is made: one accepted and one end for each key, and not one more.
      const after = await totals(client(), engines);
      expect({
        accepted: after.accepted - before.accepted,
        ended: after.ended - before.ended,
        unfinished: after.unfinished,
      }).toEqual({ accepted: bodies.size, ended: bodies.size, unfinished: 0 });

      const all = [...executions.values()];
      const tally: Tally = {
        submitted: bodies.size,
        accepted: accepted.size,
        refused: tries.filter(({ status }) => status !== 200 && status !== 202).length,
        ended: all.length,
        succeeded: all.filter(({ status }) => status === "succeeded").length,
        lost: accepted.size - all.length,
      };
      console.log(`ledger: ${JSON.stringify(tally)}`);
      return { tally, executions: all };
    },
  };
}

/** Indices of the APIs whose processes live. */
export function livingApis({ apis }: Deployment): number[] {
  return apis.flatMap((api, index) => (api.ended === null ? [index] : []));
}

async function totals(
  client: Client,
  engines: readonly string[],
): Promise<{ accepted: number; ended: number; unfinished: number }> {
  const figures = await client.metrics({ engines });
  const sums = { accepted: 0, ended: 0, unfinished: 0 };
  for (const { totals, queued, running, scheduled } of figures) {
    sums.accepted += totals.accepted;
    sums.ended += totals.succeeded + totals.failed + totals.canceled + totals.expired;
    sums.unfinished += queued + running + scheduled;
  }
  return sums;
}
