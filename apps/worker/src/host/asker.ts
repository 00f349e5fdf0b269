import type { AnswerMessage, AskFailure, AskMessage, Port, Questions } from "./ask-protocol.ts";
import { createLanes } from "./lanes.ts";

/** Questions under way at once of one host about one connection, of each kind; the others wait in the host. */
const lanePlaces = 256;

/** The worker said no, or could not say anything. */
export class AskRefused extends Error {
  override readonly name = "AskRefused";
  readonly failure: AskFailure;

  constructor(failure: AskFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A host's way to ask its worker. */
export interface Asker {
  /**
   * Asks on behalf of a run, and waits for the answer.
   * @param key the run's number between host and worker; the worker answers nothing for a run that is over
   * @throws AskRefused, or the reason of the signal
   */
  ask<P extends Port>(
    key: number,
    port: P,
    asked: Questions[P]["asked"],
    signal: AbortSignal,
  ): Promise<{ ask: number; answer: Questions[P]["answer"] }>;
  hear(message: Extract<AnswerMessage, { kind: "answer" | "refused" }>): void;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** See {@link Asker}; `push` puts a message among those that go to the worker next. */
export function createAsker(push: (message: AskMessage) => void): Asker {
  /** Questions that the worker has, by their number. */
  const open = new Map<number, Waiting>();
  const lanes = createLanes(lanePlaces);
  let lastAsk = 0;

  return {
    async ask(key, port, asked, signal) {
      const lane = `${port} ${asked.connection}`;
      await lanes.enter(lane, signal);
      lastAsk += 1;
      const ask = lastAsk;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const onAbort = (): void => {
        // The answer may be on its way: the worker takes back what it gave.
        if (open.delete(ask)) push({ kind: "unask", ask });
        reject(signal.reason);
      };
      try {
        signal.throwIfAborted();
        open.set(ask, { resolve, reject });
        signal.addEventListener("abort", onAbort);
        push({ kind: "ask", key, ask, question: { port, ...asked } as never });
        return { ask, answer: (await promise) as Questions[typeof port]["answer"] };
      } finally {
        signal.removeEventListener("abort", onAbort);
        lanes.leave(lane);
      }
    },
    hear(message) {
      const waiting = open.get(message.ask);
      if (waiting === undefined) return;
      open.delete(message.ask);
      if (message.kind === "answer") waiting.resolve(message.answer);
      else waiting.reject(new AskRefused(message.failure));
    },
  };
}
