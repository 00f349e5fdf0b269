import { type Socket } from "node:net";

import { Client } from "undici";

import { type Target } from "./target.ts";

/** One connection to a judged address, with undici's HTTP/1.1 on it. It serves one call at a time. */
export interface Connection {
  readonly client: Client;
  readonly socket: Socket;
  readonly key: string;
  /** Whether it served a call before, so that the other side may have closed it by now. */
  reused: boolean;
  lastUsedAt: number;
}

/** Keeps connections for the next call to the same place. */
export interface ConnectionPool {
  /** A kept connection that was used within `maxIdleMs`, or null. */
  take(target: Target, maxIdleMs: number): Connection | null;
  /** Puts HTTP on a fresh socket. */
  adopt(target: Target, socket: Socket): Connection;
  /** Gives a connection back after a whole answer; it is closed if it can't be used again. */
  release(connection: Connection): void;
  /** Closes a connection at once. */
  discard(connection: Connection): void;
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
 * when a single call is aborted. The key is scheme, host and port, so a kept connection leads to an
 * address that was judged for exactly this target.
 */
export function createConnectionPool(): ConnectionPool {
  const idle = new Map<string, Connection[]>();
  const all = new Set<Connection>();
  let idleCount = 0;

  const discard = (connection: Connection) => {
    all.delete(connection);
    const kept = idle.get(connection.key);
    const at = kept?.indexOf(connection) ?? -1;
    if (kept && at >= 0) {
      kept.splice(at, 1);
      idleCount--;
      if (kept.length === 0) idle.delete(connection.key);
    }
    connection.socket.destroy();
    void connection.client.destroy().catch(() => {});
  };

  return {
    take(target, maxIdleMs) {
      const kept = idle.get(keyOf(target));
      // The one used last is the least likely to have been closed by the other side.
      const connection = kept?.at(-1);
      if (!kept || !connection || performance.now() - connection.lastUsedAt > maxIdleMs)
        return null;
      kept.pop();
      idleCount--;
      if (kept.length === 0) idle.delete(connection.key);
      connection.reused = true;
      return connection;
    },
    adopt(target, socket) {
      const client = clientOn(target, socket);
      const connection: Connection = {
        client,
        socket,
        key: keyOf(target),
        reused: false,
        lastUsedAt: performance.now(),
      };
      all.add(connection);
      client.on("disconnect", () => discard(connection));
      return connection;
    },
    release(connection) {
      const kept = idle.get(connection.key) ?? [];
      const full = kept.length >= MAX_IDLE_PER_TARGET || idleCount >= MAX_IDLE;
      if (full || connection.socket.destroyed || !all.has(connection)) {
        discard(connection);
        return;
      }
      connection.lastUsedAt = performance.now();
      kept.push(connection);
      idle.set(connection.key, kept);
      idleCount++;
    },
    discard,
    close() {
      for (const connection of all) discard(connection);
    },
  };
}

function keyOf(target: Target): string {
  return target.url.origin;
}

/** An undici client that uses this socket and, once it is gone, connects to nothing. */
function clientOn(target: Target, socket: Socket): Client {
  let used = false;
  return new Client(target.url.origin, {
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
