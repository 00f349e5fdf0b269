import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** One call that an engine made to the sink. */
export interface Effect {
  executionId: string;
  attempt: number;
  idempotencyKey: string | null;
  /** By `performance.now()`. */
  at: number;
}

/** A server on loopback that counts what executions do to the world outside, and can hold them while they do it. */
export interface Sink {
  readonly url: string;
  /** For `TL_OUTBOUND_ALLOW`. */
  readonly address: string;
  readonly effects: readonly Effect[];
  /** How often each execution called. */
  counts(): Map<string, number>;
  effectsOf(executionId: string): Effect[];
  /** Resolves with the call of that execution once `n` have come. */
  arrived(executionId: string, n?: number): Promise<Effect>;
  /** Resolves when a held call of that execution is broken off by the caller, with `performance.now()`. */
  brokenOff(executionId: string): Promise<number>;
  /** Answers what is held for the execution, and what comes for it from now on. */
  release(executionId: string): void;
  /** The same for all. */
  releaseAll(): void;
  /** Forgets all of it, as if it had just been started. */
  forget(): void;
  close(): Promise<void>;
}

/**
 * Paths: `POST /effects/<execution id>?attempt=<n>` counts. With `hold=1` the answer waits for `release`; with `fail=<n>`
 * the first n calls of an execution get 503.
 */
export async function startSink(): Promise<Sink> {
  const effects: Effect[] = [];
  const byExecution = new Map<string, Effect[]>();
  const held = new Map<string, Set<ServerResponse>>();
  const released = new Set<string>();
  const brokenOff = new Map<string, number>();
  let everything = false;
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const look of watchers) look();
  };
  const until = <T>(read: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const look = (): void => {
        const value = read();
        if (value === undefined) return;
        watchers.delete(look);
        resolve(value);
      };
      watchers.add(look);
      look();
    });
  const effectsOf = (id: string): Effect[] => byExecution.get(id) ?? [];

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? "/", "http://sink");
    const executionId = url.pathname.split("/")[2] ?? "";
    const key = request.headers["idempotency-key"];
    const effect: Effect = {
      executionId,
      attempt: Number(url.searchParams.get("attempt")),
      idempotencyKey: typeof key === "string" ? key : null,
      at: performance.now(),
    };
    effects.push(effect);
    const its = byExecution.get(executionId);
    if (its === undefined) byExecution.set(executionId, [effect]);
    else its.push(effect);
    request.resume();
    if (effectsOf(executionId).length <= Number(url.searchParams.get("fail") ?? 0)) {
      response.writeHead(503).end();
    } else if (url.searchParams.has("hold") && !everything && !released.has(executionId)) {
      const those = held.get(executionId) ?? new Set();
      held.set(executionId, those.add(response));
      response.once("close", () => {
        those.delete(response);
        if (response.writableEnded) return;
        brokenOff.set(executionId, performance.now());
        changed();
      });
    } else response.end("{}");
    changed();
  };
  const letGo = (id: string): void => {
    for (const response of held.get(id) ?? []) response.end("{}");
    held.delete(id);
  };

  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    effects,
    counts: () => new Map([...byExecution].map(([id, its]) => [id, its.length])),
    effectsOf: (id) => [...effectsOf(id)],
    arrived: (id, n = 1) => until(() => effectsOf(id)[n - 1]),
    brokenOff: (id) => until(() => brokenOff.get(id)),
    release(id) {
      released.add(id);
      letGo(id);
    },
    releaseAll() {
      everything = true;
      for (const id of held.keys()) letGo(id);
    },
    forget() {
      for (const id of held.keys()) letGo(id);
      everything = false;
      released.clear();
      brokenOff.clear();
      byExecution.clear();
      effects.length = 0;
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
