/** Listens to the end of a call. */
type OnEnd = (reason: unknown) => void;

/**
 * When a call, or one try of it, has to end before its answer is there: its execution's signal, or its time. It is one
 * listener and one timer, made for every call; an AbortSignal is only made for those who need one (a look-up, a new
 * connection), which most calls do without.
 */
export class CallEnd {
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout | null = null;
  /** When the timer comes, and when the time is over, by `performance.now()`. */
  #timerAt = 0;
  #dueAt = 0;
  #dueReason: unknown = undefined;
  #controller: AbortController | null = null;
  #onEnd: OnEnd | null = null;
  #over = false;
  #reason: unknown = undefined;

  /** @throws the outer signal's reason, when that is over already */
  constructor(outer: AbortSignal) {
    outer.throwIfAborted();
    this.#outer = outer;
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
    this.#dueAt = performance.now() + ms;
    this.#dueReason = reason;
    // A timer that comes before that looks again; most calls are over by then.
    if (this.#timer !== null && this.#timerAt <= this.#dueAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (ms !== Number.POSITIVE_INFINITY) this.#startTimer(ms);
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

  /** Lets go of timer and signal; has to be called whatever became of the call. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#onEnd = null;
    this.#outer.removeEventListener("abort", this);
  }

  #startTimer(ms: number): void {
    this.#timerAt = this.#dueAt;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, ms));
  }

  #onTimer(): void {
    this.#timer = null;
    const left = this.#dueAt - performance.now();
    // A timer may be early by its own millisecond.
    if (left < 1) this.#end(this.#dueReason);
    else if (left !== Number.POSITIVE_INFINITY) this.#startTimer(left);
  }

  #end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const onEnd = this.#onEnd;
    this.#onEnd = null;
    onEnd?.(reason);
    this.#controller?.abort(reason);
  }
}
