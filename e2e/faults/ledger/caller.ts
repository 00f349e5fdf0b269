import { setTimeout as delay } from "node:timers/promises";
import { request, type Answer } from "../../support/request.ts";
import type { Bed } from "../bed/bed.ts";

/** One request, as the caller saw it. */
export interface Try {
  /** Path without query. */
  path: string;
  /** Null for reads. */
  key: string | null;
  /** Name of the process that was asked. */
  api: string;
  /** Null: no answer. */
  status: number | null;
  retryAfter: string | null;
  /** The problem's code and detail; null where it was none. */
  problem: string | null;
  ms: number;
  /** By `performance.now()`. */
  at: number;
}

/** After this long without an answer a caller gives a try up, ms. */
const patienceMs = 20_000;

export interface Caller {
  readonly tries: readonly Try[];
  /**
   * One request to the ready APIs in turn, or to the one named.
   *
   * @returns null where there was no answer
   */
  ask(path: string, options?: AskOptions): Promise<Answer | null>;
  /** As `ask`, until it is answered 2xx: patiently, as a program's client does. */
  insist(path: string, options?: AskOptions): Promise<Answer>;
  /** Nothing is asked any more, and who waits for an answer waits for ever: the case is over. */
  abandon(): void;
  /** Asks for an execution's end, until that is answered: done, or it had ended before. */
  cancel(id: string): Promise<Answer>;
}

export interface AskOptions {
  json?: unknown;
  key?: string;
  api?: string;
  method?: string;
}

/** A program that keeps books of each of its requests. */
export function createCaller(bed: Bed): Caller {
  const tries: Try[] = [];
  let turn = 0;
  let abandoned = false;

  async function ask(path: string, options: AskOptions = {}): Promise<Answer | null> {
    const { json, key, method } = options;
    const living = bed.livingApis().filter(({ isReady }) => isReady);
    const api =
      options.api === undefined
        ? living[turn++ % Math.max(living.length, 1)]
        : living.find(({ name }) => name === options.api);
    if (api === undefined) return null;
    const at = performance.now();
    const one: Try = {
      path: path.split("?")[0] ?? path,
      key: key ?? null,
      api: api.name,
      status: null,
      retryAfter: null,
      problem: null,
      ms: 0,
      at,
    };
    let answer: Answer | null = null;
    try {
      answer = await request(`${api.url}/api/v1${path}`, {
        ...(method !== undefined && { method }),
        ...(json !== undefined && { json }),
        headers: {
          "x-api-key": bed.deployment.planeKey,
          ...(key !== undefined && { "idempotency-key": key }),
        },
        signal: AbortSignal.timeout(patienceMs),
      });
      one.status = answer.status;
      one.retryAfter = answer.headers.get("retry-after");
      if (answer.status >= 400) one.problem = `${answer.json?.code}: ${answer.json?.detail}`;
    } catch {
      // It may have been done or not: that is what the key is for.
    }
    one.ms = performance.now() - at;
    tries.push(one);
    return answer;
  }

  async function until(
    isGood: (status: number) => boolean,
    path: string,
    options?: AskOptions,
  ): Promise<Answer> {
    for (;;) {
      if (abandoned) await new Promise(() => undefined);
      const answer = await ask(path, options);
      if (answer !== null && isGood(answer.status)) return answer;
      const passing = answer === null || answer.status >= 500 || [409, 429].includes(answer.status);
      if (!passing) throw new Error(`${path} was answered ${answer.status}: ${answer.text}`);
      await delay(50);
    }
  }

  return {
    tries,
    ask,
    abandon() {
      abandoned = true;
    },
    insist: (path, options) => until((status) => status < 300, path, options),
    cancel: (id) =>
      until((status) => status < 300 || status === 409, `/executions/${id}/cancel`, {
        method: "POST",
      }),
  };
}
