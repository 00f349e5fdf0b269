import { backoffMs } from "@tl-engine/shared/executions/backoff.ts";
import type { Park } from "@tl-engine/outbound";
import { expect, test } from "vitest";
import { judge } from "./outcome.ts";

const execution = { id: "e", dispatch: 3, attempt: 1, maxAttempts: 3, losses: 0, timeoutMs: 1_000 };
const backoff = { backoff_initial_ms: 1_000, backoff_factor: 2, backoff_max_ms: 5_000 };
const failure = { code: "engine_error", detail: "no luck", retryable: true } as const;
const threw = { kind: "threw", failure, aborted: null, stack: null } as const;

test("backs off exponentially, up to a limit, by a random part", () => {
  expect([1, 2, 3, 4, 50].map((attempt) => backoffMs(attempt, backoff, 1))).toEqual([
    1_000, 2_000, 4_000, 5_000, 5_000,
  ]);
  expect(backoffMs(2, backoff, 0)).toBe(0);
  expect(backoffMs(2, backoff, 0.5)).toBe(1_000);
});

test("a value succeeds, also when a cancel came too late for it, but not after the timeout", () => {
  const returned = { kind: "returned", outputText: "1" } as const;
  for (const aborted of [null, "canceled", "shutdown", "lost"] as const) {
    expect(judge({ ...returned, aborted }, execution, backoff, 0)).toMatchObject({
      settlement: { outcome: "succeeded", outputText: "1", dispatch: 3 },
    });
  }
  expect(judge({ ...returned, aborted: "timeout" }, execution, backoff, 0)).toMatchObject({
    settlement: { outcome: "retry", failure: { code: "timeout" } },
  });
});

test("a failure is retried while there are attempts left and it allows it", () => {
  expect(judge(threw, execution, backoff, 0.5)).toMatchObject({
    settlement: { outcome: "retry", delayMs: 500, reason: "retry_backoff", failure },
  });
  expect(judge(threw, { ...execution, attempt: 3 }, backoff, 0)).toMatchObject({
    settlement: { outcome: "failed" },
  });
  const final = { ...threw, failure: { ...failure, retryable: false } };
  expect(judge(final, execution, backoff, 0)).toMatchObject({ settlement: { outcome: "failed" } });
});

test("an engine's own delay goes before the backoff, within a day", () => {
  const later = (retryAfterMs: number) => ({ ...threw, failure: { ...failure, retryAfterMs } });
  expect(judge(later(7_000), execution, backoff, 0)).toMatchObject({
    settlement: { delayMs: 7_000, reason: "retry_after", failure },
  });
  expect(judge(later(1e15), execution, backoff, 0)).toMatchObject({
    settlement: { delayMs: 86_400_000 },
  });
});

test("what the outside is not ready for is parked, its attempt uncounted, also the last one", () => {
  const waits = (park: Park) => ({ ...threw, failure: { ...failure, retryAfterMs: 5, park } });
  const circuit = { reason: "circuit_open", delayMs: null, blockedBy: "connection:crm" } as const;
  expect(judge(waits(circuit), { ...execution, attempt: 3 }, backoff, 0)).toEqual({
    kind: "settle",
    settlement: { id: "e", dispatch: 3, attempt: 3, outcome: "parked", failure, ...circuit },
    heldBack: null,
  });
  const later = { reason: "retry_after", delayMs: 1e15, blockedBy: null } as const;
  expect(judge(waits(later), execution, backoff, 0)).toMatchObject({
    settlement: { outcome: "parked", reason: "retry_after", delayMs: 86_400_000, blockedBy: null },
  });
  // Its own end goes before: the time it had is over, or it is no longer this worker's.
  expect(judge({ ...waits(circuit), aborted: "timeout" }, execution, backoff, 0)).toMatchObject({
    settlement: { outcome: "retry", failure: { code: "timeout" } },
  });
  expect(judge({ ...waits(circuit), aborted: "lost" }, execution, backoff, 0)).toMatchObject({
    kind: "give_back",
  });
});

test("what was aborted by timeout says so, whatever it threw", () => {
  expect(judge({ ...threw, aborted: "timeout" }, execution, backoff, 0)).toMatchObject({
    settlement: { failure: { code: "timeout", detail: expect.stringContaining("1s") } },
  });
});

test("what this worker may not go on with is given back", () => {
  for (const aborted of ["shutdown", "lost"] as const) {
    expect(judge({ ...threw, aborted }, execution, backoff, 0)).toMatchObject({
      kind: "give_back",
      alone: false,
    });
  }
  expect(judge({ kind: "cut_off", suspect: true }, execution, backoff, 0)).toMatchObject({
    kind: "give_back",
    alone: true,
  });
  // A crash is the engine's own doing, also during a shutdown.
  const crashed = { code: "engine_crashed", detail: "x", retryable: true } as const;
  const stopped = {
    kind: "stopped",
    failure: crashed,
    aborted: "shutdown",
    lingering: null,
    stack: null,
    hostDied: false,
  } as const;
  expect(judge(stopped, execution, backoff, 0)).toMatchObject({ kind: "settle" });
});

test("a retry waits for the end of the thread in which its old code may still run", () => {
  const lingering = { gone: Promise.resolve(), withinMs: 60_000 };
  const stopped = {
    kind: "stopped",
    failure,
    aborted: "timeout",
    lingering,
    stack: null,
    hostDied: false,
  } as const;
  expect(judge(stopped, execution, backoff, 0.1)).toMatchObject({
    settlement: { outcome: "retry", delayMs: 60_000 },
    heldBack: { lingering, delayMs: 100 },
  });
});

test("the third loss of a worker ends it: by a crash of the process in which it ran alone", () => {
  const stopped = {
    kind: "stopped",
    failure: {
      code: "engine_crashed",
      detail: "its process was ended by SIGSEGV",
      retryable: true,
    },
    aborted: null,
    lingering: null,
    stack: null,
    hostDied: true,
  } as const;
  const twice = { ...execution, losses: 2 };
  expect(judge(stopped, twice, backoff, 0)).toMatchObject({
    settlement: {
      outcome: "failed",
      failure: {
        code: "worker_lost",
        detail: expect.stringContaining("ended by SIGSEGV"),
        retryable: false,
      },
    },
  });
  // A mere error in it is no loss, and before that a crash is a failed attempt as any other.
  for (const [end, held] of [
    [{ ...stopped, hostDied: false }, twice],
    [stopped, { ...execution, losses: 1 }],
  ] as const) {
    expect(judge(end, held, backoff, 0)).toMatchObject({
      settlement: { outcome: "retry", failure: { code: "engine_crashed" } },
    });
  }
});
