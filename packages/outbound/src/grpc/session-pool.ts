import { type Socket } from "node:net";

import { type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

/** HTTP/2 over one socket that the door opened; many calls share it. */
export interface GrpcSession {
  readonly transport: Transport;
}

export interface SessionPool {
  /** The session kept under this key, or one over the socket that `open` gives. Calls that come meanwhile share it. */
  session(key: string, baseUrl: string, open: () => Promise<Socket>): Promise<GrpcSession>;
  /** Closes all at once. */
  close(): void;
}

/** A session without calls is closed after so long, ms. */
const IDLE_MS = 30_000;
/** Cap on one message, in bytes (X10). */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** See {@link SessionPool}. */
export function createSessionPool(): SessionPool {
  const sessions = new Map<string, Promise<GrpcSession>>();
  const sockets = new Set<Socket>();

  async function start(
    key: string,
    baseUrl: string,
    open: () => Promise<Socket>,
  ): Promise<GrpcSession> {
    const socket = await open();
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      sessions.delete(key);
    });
    let used = false;
    return {
      transport: createGrpcTransport({
        baseUrl,
        nodeOptions: {
          createConnection() {
            // One socket, one session: a new one is opened by the door, which judges its address.
            if (used || socket.destroyed) throw new Error("the session is over");
            used = true;
            return socket;
          },
        },
        idleConnectionTimeoutMs: IDLE_MS,
        pingIntervalMs: 20_000,
        pingTimeoutMs: 10_000,
        readMaxBytes: MAX_MESSAGE_BYTES,
        writeMaxBytes: MAX_MESSAGE_BYTES,
        // What comes in is as large as its frames say, and nothing unfolds.
        acceptCompression: [],
      }),
    };
  }

  return {
    session(key, baseUrl, open) {
      const kept = sessions.get(key);
      if (kept !== undefined) return kept;
      const started = start(key, baseUrl, open);
      sessions.set(key, started);
      started.catch(() => sessions.delete(key));
      return started;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      sessions.clear();
    },
  };
}
