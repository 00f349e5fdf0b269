import { performance } from "node:perf_hooks";
import type { Connection } from "@tl-engine/outbound";
import type { GivenConnection } from "./ask-protocol.ts";

/** Answers kept at most; a host whose callers are more than that asks more often. */
const maxKnown = 2_000;

/**
 * What this host knows of connections. It holds secrets, in memory alone, and no longer than the worker said: whoever
 * may use one is the worker's to say, so each answer counts for the engine and the caller that it was given for.
 */
export interface KnownConnections {
  /** `whose` names everything that an answer depends on. */
  get(whose: string): Connection | null;
  /** @returns the connection as it is to be used: one object for all that have it in this revision */
  put(whose: string, given: GivenConnection): Connection;
  /** Forgets what it knows of one, or of all. */
  changed(connection: string | null): void;
  circuit(connection: string, isClosed: boolean): void;
  /** Whether calls go out without asking, as far as its circuit is concerned. */
  isClosed(connection: string): boolean;
}

/** See {@link KnownConnections}. */
export function createKnownConnections(
  now: () => number = () => performance.now(),
): KnownConnections {
  const known = new Map<string, { connection: Connection; freshUntil: number }>();
  const newest = new Map<string, Connection>();
  /** Those whose circuit is not closed. */
  const attentive = new Set<string>();

  function setCircuit(connection: string, isClosed: boolean): void {
    if (isClosed) attentive.delete(connection);
    else attentive.add(connection);
  }

  return {
    get(whose) {
      const entry = known.get(whose);
      if (entry === undefined) return null;
      if (entry.freshUntil > now()) return entry.connection;
      known.delete(whose);
      return null;
    },
    put(whose, { connection: given, freshMs, isClosed }) {
      setCircuit(given.id, isClosed);
      const before = newest.get(given.id);
      const connection = before?.revision === given.revision ? before : given;
      newest.set(given.id, connection);
      known.delete(whose);
      if (known.size >= maxKnown) {
        const [oldest] = known.keys();
        if (oldest !== undefined) known.delete(oldest);
      }
      known.set(whose, { connection, freshUntil: now() + freshMs });
      return connection;
    },
    changed(connection) {
      for (const [whose, entry] of known) {
        if (connection === null || entry.connection.id === connection) known.delete(whose);
      }
      if (connection === null) newest.clear();
      else newest.delete(connection);
    },
    circuit: setCircuit,
    isClosed: (connection) => !attentive.has(connection),
  };
}
