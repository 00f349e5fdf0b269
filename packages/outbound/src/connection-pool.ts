import { type Socket } from "node:net";

import { Client } from "undici";

import { Deadlines } from "./deadlines.ts";

/** For whom a socket is kept: nobody else may get it. */
export interface PoolKey {
  readonly origin: string;
  /** The configured connection whose certificates it has; null: none. */
  readonly connection: { readonly id: string; readonly revision: number } | null;
}

/** One connection to a judged address, with undici's HTTP/1.1 on it. It serves one call at a time. */
export interface PooledSocket {
  readonly client: Client;
  readonly socket: Socket;
  readonly name: string;
  readonly connection: PoolKey["connection"];
  /** Whether it served a call before, so that the other side may have closed it by now. */
  reused: boolean;
  lastUsedAt: number;
}

/** Keeps connections for the next call to the same place. */
export interface ConnectionPool {
  /** The times of the calls over these connections. */
  readonly deadlines: Deadlines;
  /** A kept connection that was used within `maxIdleMs`, or null. */
  take(key: PoolKey, maxIdleMs: number): PooledSocket | null;
  /** Puts HTTP on a fresh socket. */
  adopt(key: PoolKey, socket: Socket): PooledSocket;
  /** Gives a connection back after a whole answer; it is closed if it can't be used again. */
  release(pooled: PooledSocket): void;
  /** Closes a connection at once. */
  discard(pooled: PooledSocket): void;
  /** Closes all, those in use too. */
  close(): void;
}

/** Longest time a connection is kept without a call, in milliseconds, whatever the other side offers. */
export const MAX_IDLE_MS = 30_000;
/** Kept when the other side says nothing: most servers close after 5 s. */
const DEFAULT_IDLE_MS = 4_000;
const MAX_IDLE_PER_TARGET = 64;
const MAX_IDLE = 512;

/** Cap on an answer's header section, in bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * A pool whose connections are opened by somebody else and never reopened: undici's own Pool would
 * look names up and connect again by itself, past the judge, and could close no half-open connection
 * when a single call is aborted. A socket is kept for scheme, host and port, so it leads to an address that was judged
 * for exactly this target, and for one revision of a configured connection: nobody else's call shows its certificate,
 * and what an operator changed counts from the next call on.
 */
export function createConnectionPool(): ConnectionPool {
  const idle = new Map<string, PooledSocket[]>();
  const all = new Set<PooledSocket>();
  /** The newest revision that was called, by the id of the connection. */
  const revisions = new Map<string, number>();
  let idleCount = 0;

  const discard = (pooled: PooledSocket) => {
    all.delete(pooled);
    const kept = idle.get(pooled.name);
    const at = kept?.indexOf(pooled) ?? -1;
    if (kept && at >= 0) {
      kept.splice(at, 1);
      idleCount--;
      if (kept.length === 0) idle.delete(pooled.name);
    }
    pooled.socket.destroy();
    void pooled.client.destroy().catch(() => {});
  };

  const isOutdated = ({ connection }: Pick<PooledSocket, "connection">) =>
    connection !== null && connection.revision < (revisions.get(connection.id) ?? 0);

  /** Closes what an older revision left idle; its calls under way end as they began. */
  const meetRevision = (connection: NonNullable<PoolKey["connection"]>) => {
    const known = revisions.get(connection.id);
    if (known !== undefined && known >= connection.revision) return;
    revisions.set(connection.id, connection.revision);
    if (known === undefined) return;
    for (const pooled of [...idle.values()].flat()) if (isOutdated(pooled)) discard(pooled);
  };

  return {
    deadlines: new Deadlines(),
    take(key, maxIdleMs) {
      if (key.connection !== null) meetRevision(key.connection);
      const name = nameOf(key);
      const kept = idle.get(name);
      // The one used last is the least likely to have been closed by the other side.
      const pooled = kept?.at(-1);
      if (!kept || !pooled || performance.now() - pooled.lastUsedAt > maxIdleMs) return null;
      kept.pop();
      idleCount--;
      if (kept.length === 0) idle.delete(name);
      pooled.reused = true;
      return pooled;
    },
    adopt(key, socket) {
      const client = clientOn(key.origin, socket);
      const pooled: PooledSocket = {
        client,
        socket,
        name: nameOf(key),
        connection: key.connection,
        reused: false,
        lastUsedAt: performance.now(),
      };
      all.add(pooled);
      client.on("disconnect", () => discard(pooled));
      return pooled;
    },
    release(pooled) {
      const kept = idle.get(pooled.name) ?? [];
      const full = kept.length >= MAX_IDLE_PER_TARGET || idleCount >= MAX_IDLE;
      if (full || pooled.socket.destroyed || !all.has(pooled) || isOutdated(pooled)) {
        discard(pooled);
        return;
      }
      pooled.lastUsedAt = performance.now();
      kept.push(pooled);
      idle.set(pooled.name, kept);
      idleCount++;
    },
    discard,
    close() {
      for (const pooled of all) discard(pooled);
    },
  };
}

function nameOf({ origin, connection }: PoolKey): string {
  return connection === null ? origin : `${origin} ${connection.id} ${connection.revision}`;
}

/** An undici client that uses this socket and, once it is gone, connects to nothing. */
function clientOn(origin: string, socket: Socket): Client {
  let used = false;
  return new Client(origin, {
    connect: (_options, callback) => {
      const again = used;
      used = true;
      // In a microtask: undici goes on only for a connection that is made later than its call.
      queueMicrotask(() => {
        if (again) callback(new Error("the connection is closed"), null);
        else callback(null, socket);
      });
    },
    allowH2: false,
    useMilo: false, // else an environment variable picks an experimental parser
    pipelining: 1,
    maxHeaderSize: MAX_HEADER_BYTES,
    // The call's own time bounds these.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: DEFAULT_IDLE_MS,
    keepAliveMaxTimeout: MAX_IDLE_MS,
  });
}
