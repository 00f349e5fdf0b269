import { performance } from "node:perf_hooks";
import type { Connection, Protocol } from "@tl-engine/outbound";
import { ConnectionFailedError, OutboundRefusedError } from "@tl-engine/outbound/errors";
import { openConnection } from "@tl-engine/shared/connections/open-connection.ts";
import type { StoredConnection } from "@tl-engine/shared/connections/read-connection.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import type { Named } from "../host/ask-protocol.ts";
import { mayUse, type AskingExecution } from "./may-use.ts";
import { orAborted } from "./or-aborted.ts";

/**
 * How long what was read counts, ms. Whoever changes a connection says so to all workers; this is for when that is
 * lost, and short enough that what is switched off is off within 5 s.
 */
const maxAgeMs = 4_000;
/** Of more connections than that the oldest are read anew. */
const maxKept = 1_000;

export interface ConnectionSourceOptions {
  /** Reads one from the record; waits for Postgres where it is away. null: there is none. */
  read(id: string): Promise<StoredConnection | null>;
  box: SecretBox | null;
  onError(error: unknown): void;
  /** ms that only grow. */
  now?: () => number;
}

export interface FoundConnection {
  readonly connection: Connection;
  /** How long that may be relied on, ms. */
  readonly freshMs: number;
}

/** The connections of this worker, kept in memory for a moment with their secrets. */
export interface ConnectionSource {
  /**
   * The connection, if this execution may use it.
   * @throws OutboundRefusedError with one text for all reasons; ConnectionFailedError where this worker can't read its secrets
   */
  find(execution: AskingExecution, named: Named, signal: AbortSignal): Promise<FoundConnection>;
  /** It changed; null: perhaps all did. */
  changed(id: string | null): void;
}

interface Known {
  readonly stored: StoredConnection;
  /** null: its secrets can't be read here. */
  readonly connection: Connection | null;
}

interface Kept {
  readonly known: Promise<Known | null>;
  readonly until: number;
}

/** See {@link ConnectionSource}. */
export function createConnectionSource(options: ConnectionSourceOptions): ConnectionSource {
  const now = options.now ?? (() => performance.now());
  const kept = new Map<string, Kept>();

  async function read(
    id: string,
    before: Promise<Known | null> | undefined,
  ): Promise<Known | null> {
    const stored = await options.read(id);
    if (stored === null) return null;
    const older = await before?.catch(() => null);
    const connection =
      older?.stored.revision === stored.revision && older.connection !== null
        ? older.connection
        : open(stored);
    return { stored, connection };
  }

  function open(stored: StoredConnection): Connection | null {
    try {
      return openConnection(stored, options.box);
    } catch (error) {
      options.onError(error);
      return null;
    }
  }

  function look(id: string): Kept {
    const here = kept.get(id);
    if (here !== undefined && here.until > now()) return here;
    const entry: Kept = { known: read(id, here?.known), until: now() + maxAgeMs };
    kept.delete(id);
    if (kept.size >= maxKept) {
      const [oldest] = kept.keys();
      if (oldest !== undefined) kept.delete(oldest);
    }
    kept.set(id, entry);
    // What could not be read is read again by whoever asks next.
    entry.known.catch(() => {
      if (kept.get(id) === entry) kept.delete(id);
    });
    return entry;
  }

  return {
    async find(execution, { connection: id, protocol }, signal) {
      const entry = look(id);
      const known = await orAborted(entry.known, signal);
      if (known === null || !mayUse(execution, known.stored, protocol)) throw refusal(id, protocol);
      if (known.connection === null) {
        const message = `connection ${id}: this worker can't read its secrets; its log says why`;
        throw new ConnectionFailedError(message, { retryable: true });
      }
      // Where it changed while it was read it is good for this once.
      const isKept = kept.get(id) === entry;
      const freshMs = isKept ? Math.max(0, entry.until - now()) : 0;
      return { connection: known.connection, freshMs };
    },
    changed(id) {
      if (id === null) kept.clear();
      else kept.delete(id);
    },
  };
}

/** Whoever may not use a connection does not learn whether there is one. */
function refusal(id: string, protocol: Protocol): OutboundRefusedError {
  const name = JSON.stringify(id.slice(0, 64));
  return new OutboundRefusedError(
    `there is no ${protocol} connection ${name} for this execution: it does not exist, is switched off, or is not open to this engine and caller`,
  );
}
