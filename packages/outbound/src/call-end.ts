import { Deadlines, type Due } from "./deadlines.ts";

/** Listens to the end of a call. */
type OnEnd = (reason: unknown) => void;

/**
 * When a call, or one try of it, has to end before its answer is there: its execution's signal, or its time. It is one
 * listener and one time, made for every call; an AbortSignal is only made for those who need one (a look-up, a new
 * connection), which most calls do without.
 */
export class CallEnd implements Due {
  readonly #outer: AbortSignal;
  readonly #deadlines: Deadlines;
  /** When the time is over, by `performance.now()`. */
  dueAt = Number.POSITIVE_INFINITY;
  #dueReason: unknown = undefined;
  #controller: AbortController | null = null;
  #onEnd: OnEnd | null = null;
  #over = false;
  #reason: unknown = undefined;

  /**
   * @param deadlines those of the calls that share a timer
   * @throws the outer signal's reason, when that is over already
   */
  constructor(outer: AbortSignal, deadlines = new Deadlines()) {
    outer.throwIfAborted();
    this.#outer = outer;
    this.#deadlines = deadlines;
    outer.addEventListener("abort", this, { once: true });
  }

  /** Called by the outer signal. */
  handleEvent(): void {
    this.#end(this.#outer.reason);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Why it is over. */
  get reason(): unknown {
    return this.#reason;
  }

  throwIfOver(): void {
    if (this.#over) throw this.#reason;
  }

  /** Ends with `reason` in `ms` milliseconds, in place of what was said before. Infinity: no time. */
  within(ms: number, reason: unknown): void {
    if (this.#over) return;
    this.dueAt = performance.now() + ms;
    this.#dueReason = reason;
    if (ms === Number.POSITIVE_INFINITY) this.#deadlines.delete(this);
    else this.#deadlines.add(this);
  }

  /** Called when its time is over. */
  onDue(): void {
    this.#end(this.#dueReason);
  }

  /** The one who is told of the end, in place of the one before; null: nobody. */
  listen(onEnd: OnEnd | null): void {
    this.#onEnd = onEnd;
  }

  /** For whoever takes only a signal. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#over) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** What is asked of somebody else, who may not keep to the signal. Rejects with the reason at the end. */
  race<T>(asked: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#over) reject(this.#reason);
    else this.#onEnd = reject;
    asked.then(
      (value) => {
        this.#onEnd = null;
        resolve(value);
      },
      (error: unknown) => {
        this.#onEnd = null;
        reject(error);
      },
    );
    return promise;
  }

  /** Lets go of time and signal; has to be called whatever became of the call. */
  stop(): void {
    this.#deadlines.delete(this);
    this.#onEnd = null;
    this.#outer.removeEventListener("abort", this);
  }

  #end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    this.#deadlines.delete(this);
    const onEnd = this.#onEnd;
    this.#onEnd = null;
    onEnd?.(reason);
    this.#controller?.abort(reason);
  }
}
