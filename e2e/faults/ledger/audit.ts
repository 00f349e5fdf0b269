import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Execution } from "@tl-engine/client";
import type { Bed } from "../bed/bed.ts";
import { countEnds, longestGapMs, terminal, type Move } from "../bed/trail.ts";
import type { Caller, Try } from "./caller.ts";
import { readCounters, type Counters } from "./counters.ts";
import type { Figures } from "./figures.ts";
import { bodyOf, judge } from "./model.ts";
import type { Order } from "./order.ts";
import { describeUnfinished } from "./unfinished.ts";
import type { Ends } from "./watch-ends.ts";

export interface Audit {
  figures: Figures;
  /** By id. */
  executions: ReadonlyMap<string, Execution>;
  /** Of these executions alone; empty where the bed keeps no trail. */
  moves: readonly Move[];
}

export interface AuditOptions {
  books: {
    orders: ReadonlyMap<string, Order>;
    accepted: ReadonlyMap<string, string>;
    submits: readonly Try[];
    contradictions: readonly string[];
  };
  ends: Ends;
  /** As it was when the ledger was opened. */
  before: { counters: Counters; mark: number };
  engines: readonly string[];
  refusalsExpected: boolean;
  withinMs: number;
}

/** The books and the record differ. */
export class AuditError extends Error {
  override name = "AuditError";
}

const leastShareAccepted = 0.9;

/**
 * Compares the books with the record, exactly.
 *
 * @param hear is told what came out, also where it is wrong
 * @throws AuditError
 */
export async function auditBooks(
  bed: Bed,
  caller: Caller,
  { books, ends, before, engines, refusalsExpected, withinMs }: AuditOptions,
  hear: (audit: Audit) => void,
): Promise<void> {
  const ids = [...books.accepted.values()];
  await untilEnded(caller, ids, ends, withinMs);
  const moves = await movesOf(bed, before.mark, engines);
  const lost = ids.filter((id) => !ends.finished.has(id));
  const effects = bed.sink.counts();
  // Others call it for other reasons.
  const called = [...books.accepted]
    .filter(([key]) => books.orders.get(key)?.engine.startsWith("count"))
    .flatMap(([, id]) => effects.get(id) ?? []);
  const refused = books.submits.filter(({ status }) => status !== null && status >= 300).length;
  hear({
    executions: ends.finished,
    moves,
    figures: {
      submitted: books.orders.size,
      accepted: ids.length,
      refused,
      unanswered: books.submits.filter(({ status }) => status === null).length,
      ended: ids.length - lost.length,
      lost: lost.length,
      endedTwice: countEnds(moves).endedTwice,
      effects:
        called.length === 0
          ? null
          : {
              min: Math.min(...called),
              mean: called.reduce((sum, count) => sum + count, 0) / called.length,
              max: Math.max(...called),
            },
      longestGapMs: bed.trail === null ? null : longestGapMs(moves),
    },
  });
  if (lost.length > 0) {
    throw new AuditError(
      `${lost.length} of ${ids.length} have not ended within ${withinMs} ms:\n${await describeUnfinished(bed, lost)}`,
    );
  }

  const problems = [...books.contradictions, ...ends.changed];
  const answered = ids.length + refused;
  if (!refusalsExpected && ids.length < leastShareAccepted * answered) {
    problems.push(
      `only ${ids.length} of ${answered} tries were accepted: nothing is proved by refusing`,
    );
  }
  problems.push(
    ...compareKeys(books.orders, books.accepted),
    ...compareEnds(books, ends),
    ...(bed.trail === null ? [] : compareMoves(ids, moves)),
    ...compareEffects(books, moves, effects, bed.trail !== null),
    ...(await compareCounters(bed, engines, before.counters, ids.length)),
    ...(await readAgain(bed, ids, ends)),
    ...(await sendAgain(bed, caller, books)),
  );
  if (problems.length > 0) {
    const more = problems.length > 20 ? `\n… and ${problems.length - 20} more` : "";
    throw new AuditError(
      `the books and the record differ:\n${problems.slice(0, 20).join("\n")}${more}`,
    );
  }
}

async function untilEnded(
  caller: Caller,
  ids: readonly string[],
  ends: Ends,
  withinMs: number,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const open = ids.filter((id) => !ends.finished.has(id));
    for (let from = 0; from < open.length; from += 100) {
      const some = open.slice(from, from + 100).join(",");
      const answer = await caller.ask(
        `/engines/status?execution_id=${some}&include=output,attempts`,
      );
      for (const execution of (answer?.json?.executions ?? []) as Execution[]) ends.see(execution);
    }
    if (ids.every((id) => ends.finished.has(id)) || performance.now() > deadline) return;
    await delay(100);
  }
}

async function movesOf(bed: Bed, mark: number, engines: readonly string[]): Promise<Move[]> {
  const moves = (await bed.trail?.since(mark)) ?? [];
  return moves.filter(({ engine }) => engines.includes(engine));
}

function compareKeys(
  orders: ReadonlyMap<string, Order>,
  accepted: ReadonlyMap<string, string>,
): string[] {
  const keys = Map.groupBy(accepted.keys(), (key) => accepted.get(key));
  return [
    ...[...keys]
      .filter(([, of]) => of.length > 1)
      .map(([id, of]) => `${of.join(" and ")} share ${id}`),
    ...[...orders.keys()]
      .filter((key) => !accepted.has(key))
      .map((key) => `${key} was never accepted`),
  ];
}

function compareEnds(books: AuditOptions["books"], { finished }: Ends): string[] {
  return [...books.accepted].flatMap(([key, id]) => {
    const execution = finished.get(id);
    const order = books.orders.get(key);
    if (execution === undefined || order === undefined) return [];
    const why = judge(order, execution);
    return why === null
      ? []
      : [`${order.engine} ${id} ${why}; its attempts: ${JSON.stringify(execution.attempts)}`];
  });
}

/** Each was recorded once and ended once, none is there that nobody was told of, and each start had a new dispatch. */
function compareMoves(ids: readonly string[], moves: readonly Move[]): string[] {
  const problems: string[] = [];
  const known = new Set(ids);
  const { endedTwice, wentBack } = countEnds(moves);
  if (endedTwice > 0) problems.push(`${endedTwice} ended twice`);
  if (wentBack > 0) problems.push(`${wentBack} moves left a terminal state`);
  for (const [id, its] of Map.groupBy(moves, (move) => move.id)) {
    if (!known.has(id)) problems.push(`${id} is recorded, and nobody was told of it`);
    const recorded = its.filter(({ from }) => from === null).length;
    const ended = its.filter(({ to }) => terminal.has(to)).length;
    if (recorded !== 1 || ended !== 1)
      problems.push(`${id} was recorded ${recorded} and ended ${ended} times`);
    const starts = its.filter(({ to, from }) => to === "running" && from !== "running");
    if (new Set(starts.map(({ dispatch }) => dispatch)).size !== starts.length) {
      problems.push(`${id} was started twice under one dispatch`);
    }
  }
  return problems;
}

/** An effect for each that succeeded, and not more than it was started. */
function compareEffects(
  books: AuditOptions["books"],
  moves: readonly Move[],
  effects: ReadonlyMap<string, number>,
  trailKnown: boolean,
): string[] {
  const starts = new Map<string, number>();
  for (const { id, to } of moves) if (to === "running") starts.set(id, (starts.get(id) ?? 0) + 1);
  return [...books.accepted].flatMap(([key, id]) => {
    const order = books.orders.get(key);
    if (order?.engine.startsWith("count") !== true || order.may !== undefined || order.must)
      return [];
    const count = effects.get(id) ?? 0;
    const most = trailKnown ? (starts.get(id) ?? 0) : Infinity;
    return count >= 1 && count <= most
      ? []
      : [`${order.engine} ${id} called the sink ${count} times in ${most} starts`];
  });
}

/** Counted where each move is made: one accepted and one end for each, and not one more. */
async function compareCounters(
  bed: Bed,
  engines: readonly string[],
  before: Counters,
  count: number,
): Promise<string[]> {
  const after = await readCounters(bed, engines);
  const moved = {
    accepted: after.accepted - before.accepted,
    ended: after.ended - before.ended,
    unfinished: after.unfinished,
  };
  return isDeepStrictEqual(moved, { accepted: count, ended: count, unfinished: 0 })
    ? []
    : [`the counters moved by ${JSON.stringify(moved)}, not by ${count}`];
}

async function readAgain(bed: Bed, ids: readonly string[], ends: Ends): Promise<string[]> {
  const before = ends.changed.length;
  const again = await bed.client().statuses(ids, { include: ["output", "attempts"] });
  for (const execution of again.executions) ends.see(execution);
  return [
    ...again.not_found.map((id) => `${id} was not found again`),
    ...ends.changed.slice(before),
  ];
}

/** The same keys to every API: the same executions. */
async function sendAgain(
  bed: Bed,
  caller: Caller,
  books: AuditOptions["books"],
): Promise<string[]> {
  const problems: string[] = [];
  const open = [...books.accepted];
  const lane = async (): Promise<void> => {
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [key, id] = next;
      const json = bodyOf(books.orders.get(key) as Order);
      for (const { name } of bed.livingApis()) {
        const answer = await caller.ask("/engines/execute", { json, key, api: name });
        const got = (answer?.json as { execution_id?: string } | undefined)?.execution_id;
        if (got !== id)
          problems.push(
            `key ${key} stands for ${id}; sent again, ${name} said ${answer?.status}: ${got}`,
          );
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  return problems;
}
