import type { Admitted, Connection, Park } from "@tl-engine/outbound";
import { createBreakers, type Breakers, type BreakersOptions } from "../breakers/breakers.ts";
import { blockedByOf } from "../executions/release-parked.ts";
import { createPlaces } from "./places.ts";
import { createRates } from "./rates.ts";

export interface AdmissionOptions extends BreakersOptions {
  /** Whose calls they are: its places come back when its lease has ended. */
  processId: string;
  /** Makes the error that parks an execution. */
  parked(message: string, park: Park): Error;
}

/** Lets calls through connections: their circuits, concurrency and rates are one over all workers. */
export interface SharedAdmission {
  /**
   * Asks nobody where a connection has none of these, or its circuit is closed.
   * @throws what `parked` makes while the circuit is open, or the rate is spent for longer than 2 s; the signal's reason
   */
  enter(
    connection: Connection,
    execution: { readonly executionId: string },
    signal: AbortSignal,
  ): Admitted | Promise<Admitted>;
  /** A call ended that was let through without asking, since nothing stood in its way. */
  report(connection: Connection, outcome: "success" | "failure"): void;
  isClosed(connectionId: string): boolean;
  /** Hears of each circuit that opens or closes. */
  onChange(hear: (connectionId: string) => void): void;
  /** For metrics: see {@link Breakers}. */
  states: Breakers["states"];
  close(): Promise<void>;
}

/** See {@link SharedAdmission}. */
export function createAdmission(options: AdmissionOptions): SharedAdmission {
  const { pool, signals, processId, onError, parked } = options;
  const breakers = createBreakers(options);
  const places = createPlaces({ pool, signals, processId, onError });
  const rates = createRates({ pool, onError });

  /** @throws what parks the execution */
  async function passCircuit(connection: Connection, executionId: string): Promise<Admitted> {
    const entry = await breakers.enter(connection, executionId);
    if ("park" in entry) throw parked(entry.message, entry.park);
    return entry;
  }

  async function passRate(connection: Connection, signal: AbortSignal): Promise<void> {
    const { id, rate } = connection;
    if (rate === null) return;
    const delayMs = await rates.enter({ id, rate }, signal);
    if (delayMs === null) return;
    throw parked(`the rate of connection ${id} is spent: ${rate.limit} calls in ${rate.perMs} ms`, {
      reason: "retry_after",
      delayMs,
      blockedBy: blockedByOf(id),
    });
  }

  async function enter(
    connection: Connection,
    executionId: string,
    signal: AbortSignal,
  ): Promise<Admitted> {
    signal.throwIfAborted();
    // First what costs nothing: an open circuit takes no place and nothing of the rate.
    let circuit = await passCircuit(connection, executionId);
    let leavePlace = (): void => undefined;
    try {
      signal.throwIfAborted();
      const { id, concurrency } = connection;
      if (concurrency !== null) leavePlace = await places.enter({ id, concurrency }, signal);
      await passRate(connection, signal);
      signal.throwIfAborted();
      // It may have opened while this waited.
      if (circuit.breakerState === "closed" && !breakers.isClosed(id)) {
        circuit.leave("ignored");
        circuit = await passCircuit(connection, executionId);
      }
    } catch (error) {
      leavePlace();
      circuit.leave("ignored");
      throw error;
    }
    return {
      breakerState: circuit.breakerState,
      leave(outcome) {
        leavePlace();
        circuit.leave(outcome);
      },
    };
  }

  return {
    enter: (connection, { executionId }, signal) => enter(connection, executionId, signal),
    report: (connection, outcome) => breakers.report(connection, outcome),
    isClosed: (id) => breakers.isClosed(id),
    onChange: (hear) => breakers.onChange(hear),
    states: () => breakers.states(),
    async close() {
      await Promise.all([places.close(), breakers.close()]);
    },
  };
}
