import type { Admitted } from "@tl-engine/outbound";
import type {
  AnswerMessage,
  AskMessage,
  CallOutcome,
  GivenConnection,
  Named,
  NamedRevision,
  Question,
} from "./ask-protocol.ts";
import { failureOfError } from "./failure-of-error.ts";

/** Questions that a host may have open. Its own bounds keep it far below; one that is out of its mind is refused more. */
const maxOpen = 10_000;

/** Answers the questions of hosts. `Run` is whose execution it is: the worker's own word, never the host's. */
export interface AskPorts<Run> {
  connection(run: Run, named: Named, signal: AbortSignal): Promise<GivenConnection>;
  enter(run: Run, named: Named, signal: AbortSignal): Promise<Admitted>;
  token(run: Run, named: NamedRevision, stale: string | null, signal: AbortSignal): Promise<string>;
  /** A call ended that had needed no place. */
  called(run: Run, named: Named, outcome: "success" | "failure"): void;
  /** Hears what hosts have to be told, from now on. @returns ends it */
  watch(tell: (push: Push) => void): () => void;
  /** An error that is no answer but a fault of this process. */
  onError(error: unknown): void;
}

/** What hosts are told without having asked. */
export type Push = Extract<AnswerMessage, { kind: "connection_changed" | "circuit" }>;

/** The questions of one host, on the worker's side. */
export interface Answering<Run> {
  /** @param runOf the run of a key, if it has not ended */
  hear(message: AskMessage, runOf: (key: number) => Run | undefined): void;
  /** A run is over: its questions are dropped, and its places given up. */
  ended(key: number): void;
  /** The host is gone: nothing of it stays behind. */
  close(): void;
}

interface Open {
  readonly key: number;
  readonly given: AbortController;
  /** The place that it was given. */
  admitted: Admitted | null;
}

/** See {@link Answering}. */
export function createAnswering<Run>(
  ports: AskPorts<Run>,
  push: (message: AnswerMessage) => void,
): Answering<Run> {
  const open = new Map<number, Open>();
  const asksOf = new Map<number, Set<number>>();
  /** Connections that this host has heard of: it is told no other's news. */
  const given = new Set<string>();
  let unwatch: (() => void) | null = null;
  let closed = false;

  function forget(ask: number): Open | undefined {
    const entry = open.get(ask);
    if (entry === undefined) return undefined;
    open.delete(ask);
    const asks = asksOf.get(entry.key);
    asks?.delete(ask);
    if (asks?.size === 0) asksOf.delete(entry.key);
    return entry;
  }

  function giveUp(ask: number): void {
    const entry = forget(ask);
    if (entry === undefined) return;
    entry.given.abort(new Error("nobody waits for this any more"));
    entry.admitted?.leave("ignored");
  }

  function tell(news: Push): void {
    if (news.connection === null || given.has(news.connection)) push(news);
  }

  async function answer(run: Run, ask: number, entry: Open, question: Question): Promise<void> {
    const { signal } = entry.given;
    const isOpen = (): boolean => open.get(ask) === entry;
    try {
      switch (question.port) {
        case "connection": {
          const found = await ports.connection(run, question, signal);
          if (!isOpen()) return;
          forget(ask);
          given.add(question.connection);
          unwatch ??= ports.watch(tell);
          push({ kind: "answer", ask, answer: found });
          return;
        }
        case "enter": {
          const admitted = await ports.enter(run, question, signal);
          if (!isOpen()) {
            admitted.leave("ignored");
            return;
          }
          // It stays open until the call is over.
          entry.admitted = admitted;
          push({ kind: "answer", ask, answer: { breakerState: admitted.breakerState } });
          return;
        }
        case "token": {
          const token = await ports.token(run, question, question.stale, signal);
          if (forget(ask) !== undefined) push({ kind: "answer", ask, answer: token });
          return;
        }
      }
    } catch (error) {
      if (!isOpen()) return;
      forget(ask);
      push({ kind: "refused", ask, failure: failureOfError(error, ports.onError) });
    }
  }

  function hearAsk(run: Run, key: number, ask: number, question: Question): void {
    if (open.has(ask)) return;
    if (open.size >= maxOpen) {
      const message = "this host asks for more at once than its worker answers";
      push({
        kind: "refused",
        ask,
        failure: { code: "connection_failed", message, retryable: true },
      });
      return;
    }
    const entry: Open = { key, given: new AbortController(), admitted: null };
    open.set(ask, entry);
    asksOf.set(key, (asksOf.get(key) ?? new Set()).add(ask));
    void answer(run, ask, entry, question);
  }

  return {
    hear(message, runOf) {
      if (closed) return;
      switch (message.kind) {
        case "ask": {
          const run = runOf(message.key);
          if (run !== undefined) hearAsk(run, message.key, message.ask, message.question);
          return;
        }
        case "unask":
          giveUp(message.ask);
          return;
        case "leave": {
          const { admitted } = open.get(message.ask) ?? {};
          if (admitted === undefined || admitted === null) return;
          forget(message.ask);
          admitted.leave(outcomeOf(message.outcome));
          return;
        }
        case "called": {
          const run = runOf(message.key);
          const { outcome } = message;
          if (run === undefined || !given.has(message.connection)) return;
          if (outcome === "success" || outcome === "failure") ports.called(run, message, outcome);
        }
      }
    },
    ended(key) {
      for (const ask of asksOf.get(key) ?? []) giveUp(ask);
    },
    close() {
      closed = true;
      unwatch?.();
      for (const ask of open.keys()) giveUp(ask);
    },
  };
}

/** What a process sends is not to be relied on. */
function outcomeOf(outcome: unknown): CallOutcome {
  return outcome === "success" || outcome === "failure" ? outcome : "ignored";
}
