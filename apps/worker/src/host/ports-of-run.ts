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

  const ask: typeof asker.ask = async (_, port, asked, signal) => {
    over ??= new AbortController();
    if (isOver) over.abort(new Error("the execution is over"));
    try {
      return await asker.ask(key, port, asked, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      throw error instanceof AskRefused ? errorOfFailure(error.failure) : error;
    }
  };

  async function find(id: string, protocol: Protocol): Promise<Connection> {
    const whose = JSON.stringify([id, protocol, run.engineId, run.callerId]);
    const here = known.get(whose);
    if (here !== null) return here;
    const { answer } = await ask(key, "connection", { connection: id, protocol }, run.signal);
    return known.put(whose, answer);
  }

  async function enter(connection: Connection, signal: AbortSignal): Promise<Admitted> {
    const { ask: place, answer } = await ask(key, "enter", named(connection), signal);
    return {
      breakerState: answer.breakerState,
      leave: once((outcome) => push({ kind: "leave", ask: place, outcome })),
    };
  }

  return {
    connections: { connection: find },
    admission: {
      enter(connection, signal) {
        const { id, concurrency, rate, breaker } = connection;
        const needsPlace = concurrency !== null || rate !== null;
        if (needsPlace || (breaker !== null && !known.isClosed(id)))
          return enter(connection, signal);
        return {
          breakerState: "closed",
          leave: once((outcome) => {
            if (breaker === null || outcome === "ignored") return;
            push({ kind: "called", key, ...named(connection), outcome });
          }),
        };
      },
    },
    tokens: {
      async token(connection, stale, signal) {
        return (await ask(key, "token", { ...named(connection), stale }, signal)).answer;
      },
    },
    close() {
      isOver = true;
      over?.abort(new Error("the execution is over"));
    },
  };
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
