import type { Admitted, CallScope, Connection, DoorPorts, Protocol } from "@tl-engine/outbound";
import { AskRefused, type Asker } from "./asker.ts";
import type { AskMessage, CallOutcome, Named } from "./ask-protocol.ts";
import { errorOfFailure } from "./error-of-failure.ts";
import type { KnownConnections } from "./known-connections.ts";

/** A run, as far as its door has to know it. */
export interface CallingRun extends Omit<CallScope, Exclude<keyof DoorPorts, "callLog">> {
  /** Its number between host and worker. */
  readonly key: number;
  readonly engineId: string;
  readonly callerId: string;
}

export interface PortsOfRunOptions {
  asker: Asker;
  known: KnownConnections;
  push(message: AskMessage): void;
}

/** What the door asks on behalf of one run, answered by this host where it knows and by its worker where it does not. */
export interface PortsOfRun extends Omit<DoorPorts, "callLog"> {
  /** The run is over: what it still asks comes to nothing. */
  close(): void;
}

/** See {@link PortsOfRun}. */
export function createPortsOfRun(run: CallingRun, options: PortsOfRunOptions): PortsOfRun {
  const { asker, known, push } = options;
  const { key } = run;
  let over: AbortController | null = null;
  let isOver = false;

  const ask: typeof asker.ask = async (_, ...question) => {
    const [port, asked, signal] = question;
    over ??= new AbortController();
    if (isOver) over.abort(isOverReason());
    try {
      return await asker.ask(key, port, asked, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      throw error instanceof AskRefused ? errorOfFailure(error.failure) : error;
    }
  };

  // All that an answer depends on; ids hold no spaces.
  const whose = (id: string, protocol: Protocol): string =>
    `${id} ${protocol} ${run.engineId} ${run.callerId}`;

  /** Questions under way, for calls that begin together. Not shared with other runs: they end with this one. */
  const finding = new Map<string, Promise<Connection>>();

  function find(id: string, protocol: Protocol): Connection | Promise<Connection> {
    const name = whose(id, protocol);
    const here = known.get(name);
    if (here !== null) return here;
    let found = finding.get(name);
    if (found === undefined) {
      found = askFor(id, protocol).finally(() => finding.delete(name));
      finding.set(name, found);
    }
    return found;
  }

  async function askFor(id: string, protocol: Protocol): Promise<Connection> {
    const { answer } = await ask(key, "connection", { connection: id, protocol }, run.signal);
    return known.put(whose(id, protocol), answer);
  }

  /** Lets through what nothing stands in the way of; null: the worker has to be asked. */
  function enterFreely(connection: Connection): Admitted | null {
    const { id, kind, concurrency, rate, breaker } = connection;
    // A client that is kept for long must not outlive what its run may do.
    if (known.get(whose(id, kind)) === null || concurrency !== null || rate !== null) return null;
    if (breaker !== null && !known.isClosed(id)) return null;
    return {
      breakerState: "closed",
      leave: once((outcome) => {
        if (breaker === null || outcome === "ignored") return;
        push({ kind: "called", key, ...named(connection), outcome });
      }),
    };
  }

  async function enter(connection: Connection, signal: AbortSignal): Promise<Admitted> {
    await find(connection.id, connection.kind);
    const free = enterFreely(connection);
    if (free !== null) return free;
    const { ask: place, answer } = await ask(key, "enter", named(connection), signal);
    return {
      breakerState: answer.breakerState,
      leave: once((outcome) => push({ kind: "leave", ask: place, outcome })),
    };
  }

  return {
    connections: { connection: find },
    admission: {
      enter: (connection, signal) => enterFreely(connection) ?? enter(connection, signal),
    },
    tokens: {
      async token(connection, stale, signal) {
        const asked = { ...named(connection), revision: connection.revision, stale };
        return (await ask(key, "token", asked, signal)).answer;
      },
    },
    close() {
      isOver = true;
      over?.abort(isOverReason());
    },
  };
}

function isOverReason(): DOMException {
  return new DOMException("The execution is over", "AbortError");
}

function named({ id, kind }: Connection): Named {
  return { connection: id, protocol: kind };
}

function once(leave: (outcome: CallOutcome) => void): (outcome: CallOutcome) => void {
  let left = false;
  return (outcome) => {
    if (left) return;
    left = true;
    leave(outcome);
  };
}
