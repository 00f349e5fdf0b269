import type { AsyncLocalStorage } from "node:async_hooks";
import type { Engine } from "@tl-engine/engine-kit";
import { createContext, executeEngine, toExecutionError } from "@tl-engine/engine-kit/run";
import type { ClientsFor, ClientsOfRun } from "./outbound-clients.ts";
import type { Outbox } from "./outbox.ts";
import type { AbortCause, FromHost, RunFailure, StartMessage } from "./protocol.ts";
import type { RemoteOrder } from "./remote-order.ts";
import { traceOf } from "./trace-of.ts";
import { createVoice, type Voice } from "./voice.ts";

/** The execution that code belongs to, followed through timers and promises. */
export interface Current {
  key: number;
  voice: Voice;
}

export interface RunnerOptions {
  /** By `id@version`. */
  engines: ReadonlyMap<string, Engine>;
  outbox: Outbox<FromHost>;
  current: AsyncLocalStorage<Current>;
  maxOutputBytes: number;
  clientsFor: ClientsFor;
}

export interface Runner {
  start(message: StartMessage): void;
  abort(key: number, cause: AbortCause): void;
}

interface Running {
  controller: AbortController;
  aborted: AbortCause | null;
}

const reasons: Record<AbortCause, [message: string, name: string]> = {
  timeout: ["The attempt reached its timeout", "TimeoutError"],
  canceled: ["The execution was canceled", "AbortError"],
  shutdown: ["The worker shuts down", "AbortError"],
  lost: ["The execution no longer belongs to this worker", "AbortError"],
};

/** Runs executions in this thread, as many at once as it is given. */
export function createRunner(options: RunnerOptions): Runner {
  const { outbox, current } = options;
  const running = new Map<number, Running>();

  async function run(message: StartMessage, state: Running, voice: Voice): Promise<void> {
    const { key } = message;
    let end: FromHost;
    let clients: ClientsOfRun | null = null;
    try {
      const { calls } = message;
      if (calls !== undefined) {
        const endsAt = performance.now() + calls.timeoutMs;
        clients = await options.clientsFor({
          key,
          engineId: message.engineId,
          callerId: calls.callerId,
          executionId: message.executionId,
          attempt: message.attempt,
          dispatch: message.dispatch,
          signal: state.controller.signal,
          callLog: { record: (call) => outbox.push({ kind: "call", call }) },
          traceparent: message.traceparent ?? traceOf(message.executionId),
          remainingMs: () => Math.max(0, endsAt - performance.now()),
        });
      }
      end =
        message.remote === undefined
          ? {
              kind: "returned",
              key,
              outputText: await runEngine(message, state, voice, clients),
              aborted: state.aborted,
            }
          : await runService(message, message.remote, state, clients);
    } catch (error) {
      end = { kind: "threw", key, aborted: state.aborted, ...failureOf(error) };
    }
    running.delete(key);
    clients?.close();
    voice.close();
    outbox.push(end);
  }

  /** @returns the output's text */
  async function runEngine(
    message: StartMessage,
    state: Running,
    voice: Voice,
    clients: ClientsOfRun | null,
  ): Promise<string> {
    const name = `${message.engineId}@${message.version}`;
    const engine = options.engines.get(name);
    if (engine === undefined) throw new Error(`this host has no engine ${name}`);
    const context = createContext(engine, {
      executionId: message.executionId,
      attempt: message.attempt,
      signal: state.controller.signal,
      clients: clients?.clients ?? {},
      log: (level, text, fields) =>
        voice.log(level, text, hasMembers(fields) ? JSON.stringify(fields) : null),
      progress: (fraction, text) => voice.progress(fraction, text),
    });
    const { inputText } = message;
    return (await executeEngine(engine, inputText, context, options.maxOutputBytes)).outputText;
  }

  async function runService(
    message: StartMessage,
    order: RemoteOrder,
    state: Running,
    clients: ClientsOfRun | null,
  ): Promise<FromHost> {
    // Loaded by the first that needs it.
    const { runRemote } = await import("./run-remote.ts");
    const http = clients?.clients.http?.(order.connection);
    if (http === undefined) throw new Error("a remote engine without a client");
    const end = await runRemote(http, message, order, options.maxOutputBytes);
    const { key } = message;
    const { aborted } = state;
    return end === "handed_over"
      ? { kind: "handed_over", key, aborted }
      : { kind: "returned", key, outputText: end.outputText, aborted };
  }

  return {
    start(message) {
      const state: Running = { controller: new AbortController(), aborted: null };
      running.set(message.key, state);
      const voice = createVoice(message.key, outbox);
      void current.run({ key: message.key, voice }, () => run(message, state, voice));
    },
    abort(key, cause) {
      const state = running.get(key);
      if (state === undefined || state.aborted !== null) return;
      state.aborted = cause;
      state.controller.abort(new DOMException(...reasons[cause]));
    },
  };
}

function hasMembers(fields: Record<string, unknown>): boolean {
  for (const _ in fields) return true;
  return false;
}

function failureOf(error: unknown): { failure: RunFailure; stack: string | null } {
  const { code, message, retryable, retryAfterMs, park, details, stack } = toExecutionError(error);
  return {
    failure: {
      code,
      detail: message,
      retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(park === undefined ? {} : { park }),
      ...(details === undefined ? {} : { details }),
    },
    stack: stack ?? null,
  };
}
