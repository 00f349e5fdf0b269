import type { Admitted, Connection } from "@tl-engine/outbound";
import type { AskPorts, Push } from "../host/answering.ts";
import type { ConnectionSource } from "./connection-source.ts";
import type { AskingExecution } from "./may-use.ts";

/** An execution as the shared state names it. */
export interface AdmittedExecution {
  readonly executionId: string;
  readonly dispatch: number;
}

/** Who lets calls through: circuits and bounds that are one over all workers. */
export interface SharedAdmission {
  /** @throws what carries `park` while the circuit is open, or the reason of the signal */
  enter(
    connection: Connection,
    execution: AdmittedExecution,
    signal: AbortSignal,
  ): Admitted | Promise<Admitted>;
  /** A call ended that was let through without asking, since nothing stood in its way. */
  report(connection: Connection, outcome: "success" | "failure"): void;
  isClosed(connection: string): boolean;
  /** Hears of each circuit that opens or closes. */
  onChange(hear: (connection: string) => void): void;
}

/** Where access tokens come from: see the door's `TokenSource`. */
export interface SharedTokens {
  token(connection: Connection, stale: string | null, signal: AbortSignal): Promise<string>;
}

/** An execution in a host, as far as its questions go. */
export type AskingRun = AskingExecution & AdmittedExecution;

export interface AnswerPortsOptions {
  connections: ConnectionSource;
  admission: SharedAdmission;
  tokens: SharedTokens;
  onError(error: unknown): void;
}

/** What hosts are answered from, and what they are told. */
export interface AnswerPorts extends AskPorts<AskingRun> {
  /** A connection was changed; null: perhaps all were. Whatever is known of it is read anew, here and in hosts. */
  changed(id: string | null): void;
}

/**
 * Answers what hosts ask. Each question is judged by what the worker itself knows of the execution, also those that come
 * after the connection was given: a host is not relied upon.
 */
export function createAnswerPorts(options: AnswerPortsOptions): AnswerPorts {
  const { connections, admission, tokens, onError } = options;
  const never = new AbortController().signal;
  const hosts = new Set<(push: Push) => void>();
  const tellAll = (push: Push): void => {
    for (const tell of hosts) tell(push);
  };

  admission.onChange((connection) =>
    tellAll({ kind: "circuit", connection, isClosed: admission.isClosed(connection) }),
  );

  return {
    async connection(run, named, signal) {
      const found = await connections.find(run, named, signal);
      return { ...found, isClosed: admission.isClosed(named.connection) };
    },
    async enter(run, named, signal) {
      const { connection } = await connections.find(run, named, signal);
      return admission.enter(connection, run, signal);
    },
    async token(run, named, stale, signal) {
      const { connection } = await connections.find(run, named, signal);
      return tokens.token(connection, stale, signal);
    },
    called(run, named, outcome) {
      connections
        .find(run, named, never)
        .then(({ connection }) => admission.report(connection, outcome))
        // It was switched off or taken away meanwhile: nobody asks for its circuit.
        .catch(() => undefined);
    },
    watch(tell) {
      hosts.add(tell);
      return () => void hosts.delete(tell);
    },
    changed(id) {
      connections.changed(id);
      tellAll({ kind: "connection_changed", connection: id });
    },
    onError,
  };
}
