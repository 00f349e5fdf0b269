import { headerOf, type HttpAnswer } from "./http-answer.ts";
import { bytesOf, headerValues, type WireRequest } from "./wire-request.ts";

/** Accepted submits that had an Idempotency-Key: sent again, each is the same execution. */
export interface SubmitsWithAKey {
  /** Keeps an accepted submit, if it had a key. */
  keep(request: WireRequest, executionId: string): void;
  /** One of them, null while there is none. */
  pick(n: number): WireRequest | null;
  /** Holds the answer to one that was sent again to the first answer. @returns what is wrong, as sentences */
  judge(request: WireRequest, answer: HttpAnswer): string[];
}

const maxKept = 24;

/** See {@link SubmitsWithAKey}. */
export function createSubmitsWithAKey(): SubmitsWithAKey {
  const kept = new Map<string, { request: WireRequest; executionId: string }>();
  const nameOf = (request: WireRequest): string => bytesOf(request, "").toString("latin1");
  return {
    keep(request, executionId) {
      if (headerValues(request, "idempotency-key").length !== 1) return;
      const name = nameOf(request);
      if (kept.has(name)) return;
      kept.set(name, { request, executionId });
      const [oldest] = kept.keys();
      if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
    },
    pick: (n) => [...kept.values()][n % Math.max(1, kept.size)]?.request ?? null,
    judge(request, answer) {
      const before = kept.get(nameOf(request));
      if (before === undefined) return [];
      const id = headerOf(answer, "location")?.split("/").at(-1);
      if (id !== before.executionId) return [`sent again, ${before.executionId} became ${id}`];
      return headerOf(answer, "idempotency-replayed") === "true" ? [] : ["is not called a replay"];
    },
  };
}
