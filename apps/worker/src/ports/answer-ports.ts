import type { SharedAdmission } from "@tl-engine/shared/connections/admission.ts";
import type { Tokens } from "@tl-engine/shared/connections/oauth-tokens.ts";
import { connectionChanged } from "@tl-engine/shared/connections/token-unavailable-error.ts";
import type { AskPorts, Push } from "../host/answering.ts";
import { connectionForHost } from "./connection-for-host.ts";
import type { ConnectionSource } from "./connection-source.ts";
import type { AskingExecution } from "./may-use.ts";

/** An execution in a host, as far as its questions go. */
export interface AskingRun extends AskingExecution {
  readonly attempt: number;
  readonly dispatch: number;
  readonly traceparent: string | null;
}

export interface AnswerPortsOptions {
  connections: ConnectionSource;
  admission: Pick<SharedAdmission, "enter" | "report" | "isClosed" | "onChange">;
  tokens: Pick<Tokens, "token">;
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
      const connection = connectionForHost(found.connection);
      return { ...found, connection, isClosed: admission.isClosed(named.connection) };
    },
    async enter(run, named, signal) {
      const { connection } = await connections.find(run, named, signal);
      return admission.enter(connection, run, signal);
    },
    async token(run, named, stale, signal) {
      const { connection } = await connections.find(run, named, signal);
      // The host would send it to where an older form of the connection leads.
      if (connection.revision !== named.revision) throw connectionChanged(connection.id);
      const { executionId, attempt, dispatch, traceparent } = run;
      const cause = { executionId, attempt, dispatch, traceparent: traceparent ?? undefined };
      return tokens.token(connection, stale, cause, signal);
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
