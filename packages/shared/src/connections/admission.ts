import type { Admitted, Connection, Park } from "@tl-engine/outbound";
import { createBreakers, type Breakers } from "../breakers/breakers.ts";
import type { BreakersOptions } from "../breakers/breakers.ts";

export interface AdmissionOptions extends BreakersOptions {
  /** Makes the error that parks an execution. */
  parked(message: string, park: Park): Error;
}

/** Lets calls through connections: their circuits, concurrency and rates are one over all workers. */
export interface SharedAdmission {
  /** @throws what `parked` makes while the circuit is open or the rate is spent for long; the reason of the signal */
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
  states: Breakers["states"];
  close(): Promise<void>;
}

/** See {@link SharedAdmission}. */
export function createAdmission(options: AdmissionOptions): SharedAdmission {
  const breakers = createBreakers(options);

  async function enter(
    connection: Connection,
    executionId: string,
    signal: AbortSignal,
  ): Promise<Admitted> {
    signal.throwIfAborted();
    const entry = await breakers.enter(connection, executionId);
    if ("park" in entry) throw options.parked(entry.message, entry.park);
    if (!signal.aborted) return entry;
    entry.leave("ignored");
    throw signal.reason;
  }

  return {
    enter: (connection, { executionId }, signal) => enter(connection, executionId, signal),
    report: (connection, outcome) => breakers.report(connection, outcome),
    isClosed: (id) => breakers.isClosed(id),
    onChange: (hear) => breakers.onChange(hear),
    states: () => breakers.states(),
    close: () => breakers.close(),
  };
}
