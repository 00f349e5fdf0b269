import type { OutboundCall, Park } from "@tl-engine/outbound";
import type { Failure } from "@tl-engine/shared/executions/error.ts";
import type { RemoteOrder } from "./remote-order.ts";
import type { AnswerMessage, AskMessage } from "./ask-protocol.ts";

/** Why an engine's signal aborts. */
export type AbortCause = "timeout" | "canceled" | "shutdown" | "lost";

/** A module that offers engines. */
export interface EngineModule {
  /** What `import()` gets: a file's address, or `package:<name>`. */
  url: string;
  /** How messages name it: as it was given. */
  source: string;
}

/** What a host is started with. */
export interface HostSpec {
  modules: EngineModule[];
  /** The folder, as a file address, from which package names are resolved. */
  resolveFrom: string;
  /** `TL_OUTBOUND_ALLOW` as it was given. */
  outboundAllow: string;
  /** Bytes of JSON that an output may have. */
  maxOutputBytes: number;
}

/** The first thing that a host in a process of its own hears. */
export interface ProcessOrder {
  spec: HostSpec;
  name: string;
  /** The process that started it, and with which it ends. */
  workerPid: number;
}

/** One execution, as a host needs it. `key` is the worker's own number for this run of it. */
export interface StartMessage {
  kind: "start";
  key: number;
  engineId: string;
  version: number;
  executionId: string;
  attempt: number;
  dispatch: number;
  /** JSON text; only the host parses it. */
  inputText: string;
  traceparent: string | null;
  /** What its clients need to know; only where its engine has any. */
  calls?: { callerId: string; timeoutMs: number };
  /** Only of a remote engine: how its service is asked. */
  remote?: RemoteOrder;
}

/** Worker to host. */
export type ToHost =
  | StartMessage
  | { kind: "abort"; key: number; cause: AbortCause }
  | { kind: "ping" }
  | AnswerMessage;

/** Why a run failed, with what the retry policy needs to know. */
export interface RunFailure extends Failure {
  /** The engine asked for this wait in place of its backoff, ms. */
  retryAfterMs?: number;
  /** It did nothing, and waits for the outside to be ready without an attempt counted. */
  park?: Park;
}

/** A line that an engine wrote, already cut to size. */
export interface EngineLogLine {
  /** null: written by no execution in particular. */
  key: number | null;
  level: "debug" | "info" | "warn" | "error";
  message: string;
  /** JSON text of the fields; null where there are none. */
  fields: string | null;
}

/** Code of an engine failed outside the promise that its `run` gave. */
export interface CrashReport {
  /** The execution whose code it was; null where nobody knows. */
  key: number | null;
  /** Whether the host's state may be broken: not after a mere unhandled rejection. */
  fatal: boolean;
  detail: string;
  stack: string | null;
}

/** Host to worker. `aborted`: the cause for which the signal had aborted before the run ended. */
export type FromHost =
  | { kind: "ready" }
  | { kind: "not_loaded"; reason: string }
  | { kind: "pong" }
  | { kind: "returned"; key: number; outputText: string; aborted: AbortCause | null }
  | { kind: "handed_over"; key: number; aborted: AbortCause | null }
  | {
      kind: "threw";
      key: number;
      failure: RunFailure;
      aborted: AbortCause | null;
      stack: string | null;
    }
  | ({ kind: "crashed" } & CrashReport)
  | { kind: "progress"; key: number; fraction: number; message: string | null }
  | ({ kind: "log" } & EngineLogLine)
  | { kind: "call"; call: OutboundCall }
  | AskMessage;

/** What the describing process is told. */
export interface ToDescriber {
  modules: EngineModule[];
  resolveFrom: string;
}

/** What it says. */
export type FromDescriber =
  | { kind: "loading"; source: string }
  | { kind: "described"; source: string; descriptors: unknown[] }
  | { kind: "failed"; source: string; reason: string }
  | { kind: "done" };
