import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Admitted, Park } from "@tl-engine/outbound";
import type pg from "pg";
import { blockedByOf, releaseParked, releaseProbe } from "../executions/release-parked.ts";
import { untilAvailable } from "../executions/until-available.ts";
import type { Signals } from "../signals/signals.ts";
import type { BreakingConnection, Circuit, CircuitState, GuardedConnection } from "./circuit.ts";
import {
  countOutcomes,
  ensureCircuits,
  readCircuits,
  readOpenCircuits,
  type Outcomes,
} from "./count-outcomes.ts";
import { createOutcomeCounter } from "./outcome-counter.ts";
import { endProbe, renewProbes, takeProbe } from "./probe.ts";

/** A call that has to wait without a slot. */
export interface Turned {
  readonly message: string;
  readonly park: Park;
}

/** The circuits of all connections, as one process sees them: they are one over all processes. */
export interface Breakers {
  /**
   * Lets a call through: at once and without asking anybody while the circuit is closed. Once it may be tried, Postgres
   * says who does; all others are turned away.
   */
  enter(
    connection: GuardedConnection,
    executionId: string,
  ): Admitted | Turned | Promise<Admitted | Turned>;
  /** A call ended that was made without {@link Breakers.enter}, since the circuit was closed. */
  report(connection: GuardedConnection, outcome: "success" | "failure"): void;
  isClosed(connectionId: string): boolean;
  /** Those that this process has heard of, for metrics. */
  states(): { readonly connectionId: string; readonly state: CircuitState }[];
  /** Hears of each circuit that opens or closes. */
  onChange(hear: (connectionId: string) => void): void;
  /** Writes what was counted, and gives up what is tried. */
  close(): Promise<void>;
}

export interface BreakersOptions {
  pool: pg.Pool;
  signals: Signals;
  onError: (error: unknown) => void;
  /** Parked executions have become due: whoever is here may bring them in at once. */
  onReleased: () => void;
  /** For how long a permit to try a circuit holds without being renewed, ms. */
  probeLeaseMs?: number;
}

/** How often is asked while a circuit is known that is not closed, ms: signals may be lost. */
const pollMs = 1_000;
const defaultProbeLeaseMs = 15_000;

interface Known {
  circuit: Circuit;
  /** Until when nobody is let through, by this process' clock. */
  waitUntil: number;
}

/** See {@link Breakers}. */
export function createBreakers(options: BreakersOptions): Breakers {
  const { pool, signals, onError, onReleased, probeLeaseMs = defaultProbeLeaseMs } = options;
  const known = new Map<string, Known>();
  const listeners: ((connectionId: string) => void)[] = [];
  /** Permits of calls that are under way here. */
  const probing = new Set<string>();
  const closing = new AbortController();
  /** What has to be done before this process is gone. */
  const underWay = new Set<Promise<unknown>>();
  let poll: NodeJS.Timeout | null = null;
  const timers = new Map<string, NodeJS.Timeout>();

  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    work.catch(onError).finally(() => underWay.delete(work));
    return work;
  }

  function isClosed(connectionId: string): boolean {
    return (known.get(connectionId)?.circuit.state ?? "closed") === "closed";
  }

  function learn(circuit: Circuit): void {
    const { connectionId: id, state } = circuit;
    const before = known.get(id)?.circuit;
    if (before !== undefined && before.generation > circuit.generation) return;
    const waitUntil = performance.now() + (circuit.waitMs ?? 0);
    known.set(id, { circuit, waitUntil });
    const wasClosed = (before?.state ?? "closed") === "closed";
    if (wasClosed !== (state === "closed")) for (const hear of listeners) hear(id);
    clearTimeout(timers.get(id));
    timers.delete(id);
    if (closing.signal.aborted) return;
    if (state !== "closed") {
      // Half a millisecond early would be refused.
      const timer = setTimeout(
        () => void track(tryToRelease(id)),
        Math.max(0, circuit.waitMs ?? 0) + 2,
      );
      timer.unref();
      timers.set(id, timer);
      pollSoon();
    }
  }

  /** A row that is not there any more says that its connection is not guarded any more. */
  function learnAll(circuits: readonly Circuit[], asked: Iterable<string>): void {
    const found = new Set(circuits.map(({ connectionId }) => connectionId));
    for (const circuit of circuits) learn(circuit);
    for (const id of asked) {
      if (found.has(id) || isClosed(id)) continue;
      clearTimeout(timers.get(id));
      known.delete(id);
      for (const hear of listeners) hear(id);
    }
  }

  function changed(circuit: Circuit): void {
    learn(circuit);
    signals.publish("breakers", circuit.connectionId);
  }

  async function tryToRelease(id: string): Promise<void> {
    if (await releaseProbe(pool, id)) onReleased();
  }

  async function releaseAll(id: string): Promise<void> {
    if ((await releaseParked(pool, id)) > 0) onReleased();
  }

  const openIds = (): string[] => [...known.keys()].filter((id) => !isClosed(id));

  function pollSoon(): void {
    if (poll !== null || closing.signal.aborted) return;
    poll = setTimeout(() => {
      track(lookAtOpen())
        .catch(() => undefined)
        .finally(() => {
          poll = null;
          if (openIds().length > 0) pollSoon();
        });
    }, pollMs);
    poll.unref();
  }

  async function lookAtOpen(): Promise<void> {
    if (probing.size > 0) await renewProbes(pool, [...probing], probeLeaseMs);
    const asked = openIds();
    learnAll(await readCircuits(pool, asked), asked);
    // One that was released may have come to nothing.
    for (const id of asked) {
      const now = known.get(id);
      if (now !== undefined && !isClosed(id) && now.waitUntil <= performance.now())
        await tryToRelease(id);
    }
  }

  async function write(outcomes: Outcomes[]): Promise<void> {
    const unknown = outcomes.flatMap(({ connection: { id } }) => (known.has(id) ? [] : [id]));
    if (unknown.length > 0)
      for (const circuit of await ensureCircuits(pool, unknown)) learn(circuit);
    const counting = outcomes.flatMap((one) => {
      const circuit = known.get(one.connection.id)?.circuit;
      if (circuit?.state !== "closed") return [];
      // What was let through before this process had heard of the circuit.
      return one.generation < 0 ? [{ ...one, generation: circuit.generation }] : [one];
    });
    if (counting.length === 0) return;
    const counted = await countOutcomes(pool, counting);
    for (const circuit of counted) {
      if (circuit.state === "closed") learn(circuit);
      else changed(circuit);
    }
    const seen = new Set(counted.map(({ connectionId }) => connectionId));
    const missing = counting.map(({ connection }) => connection.id).filter((id) => !seen.has(id));
    if (missing.length > 0)
      for (const circuit of await ensureCircuits(pool, missing)) learn(circuit);
  }

  const counter = createOutcomeCounter({ write, onError });

  function turnedAway({ id }: GuardedConnection): Turned {
    return {
      message: `the circuit of connection ${id} is open: too many calls through it failed`,
      park: { reason: "circuit_open", delayMs: null, blockedBy: blockedByOf(id) },
    };
  }

  function admitted(connection: BreakingConnection): Admitted {
    const generation = known.get(connection.id)?.circuit.generation ?? -1;
    return {
      breakerState: "closed",
      leave: once((outcome) => {
        if (outcome !== "ignored") counter.count(connection, generation, outcome);
      }),
    };
  }

  async function ask(connection: BreakingConnection, executionId: string) {
    const { id } = connection;
    const probeId = randomUUID();
    let taken: Circuit | null;
    try {
      taken = await takeProbe(pool, id, probeId, executionId, probeLeaseMs);
      // Somebody else was faster, or it was closed meanwhile.
      if (taken === null) learnAll(await readCircuits(pool, [id]), [id]);
    } catch (error) {
      // Without Postgres nobody knows who may try it.
      onError(error);
      return turnedAway(connection);
    }
    if (taken === null) return isClosed(id) ? admitted(connection) : turnedAway(connection);
    changed(taken);
    probing.add(probeId);
    const leave = once((outcome) => void track(leaveProbe(connection, probeId, outcome)));
    return { breakerState: "half_open", leave } satisfies Admitted;
  }

  async function leaveProbe(
    connection: BreakingConnection,
    probeId: string,
    outcome: "success" | "failure" | "ignored",
  ): Promise<void> {
    const patience = { signal: closing.signal, onError };
    const end = () => endProbe(pool, connection, probeId, outcome);
    try {
      const circuit = await (closing.signal.aborted ? end() : untilAvailable(end, patience));
      if (circuit === null) return;
      changed(circuit);
      if (circuit.state === "closed") await releaseAll(connection.id);
    } finally {
      probing.delete(probeId);
    }
  }

  signals.subscribe("breakers", (id) => {
    if (closing.signal.aborted) return;
    track(readCircuits(pool, [id]).then((circuits) => learnAll(circuits, [id]))).catch(
      () => undefined,
    );
  });
  track(readOpenCircuits(pool).then((circuits) => learnAll(circuits, []))).catch(() => undefined);

  return {
    enter(connection, executionId) {
      if (!breaks(connection)) return { breakerState: "closed", leave: () => undefined };
      if (isClosed(connection.id)) return admitted(connection);
      const { waitUntil } = known.get(connection.id) ?? { waitUntil: 0 };
      if (waitUntil > performance.now()) return turnedAway(connection);
      return track(ask(connection, executionId));
    },
    report(connection, outcome) {
      if (!breaks(connection) || !isClosed(connection.id)) return;
      const generation = known.get(connection.id)?.circuit.generation ?? -1;
      counter.count(connection, generation, outcome);
    },
    isClosed,
    states: () =>
      [...known.values()].map(({ circuit: { connectionId, state } }) => ({ connectionId, state })),
    onChange(hear) {
      listeners.push(hear);
    },
    async close() {
      await counter.close().catch(onError);
      closing.abort();
      if (poll !== null) clearTimeout(poll);
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.allSettled(underWay);
    },
  };
}

function breaks(connection: GuardedConnection): connection is BreakingConnection {
  return connection.breaker !== null;
}

function once(
  leave: (outcome: "success" | "failure" | "ignored") => void,
): (outcome: "success" | "failure" | "ignored") => void {
  let left = false;
  return (outcome) => {
    if (left) return;
    left = true;
    leave(outcome);
  };
}
