import type { Admitted } from "@tl-engine/outbound";
import { expect, test } from "vitest";
import { createAnswering, type AskPorts, type Push } from "./answering.ts";
import type { AnswerMessage, AskMessage } from "./ask-protocol.ts";

// What a host does by itself is shown in asks.test.ts. Here it does nothing, or says what makes no sense.

const named = { connection: "crm", protocol: "http" } as const;
const turn = () => new Promise((resolve) => setImmediate(resolve));

function open(enter: AskPorts<string>["enter"]) {
  const sent: AnswerMessage[] = [];
  const called: string[] = [];
  const errors: unknown[] = [];
  let tell: (push: Push) => void = () => undefined;
  const running = new Map([
    [1, "run one"],
    [2, "run two"],
  ]);
  const answering = createAnswering<string>(
    {
      connection: async () => ({ connection: {} as never, freshMs: 1, isClosed: true }),
      enter,
      token: async () => "token",
      called: (run, { connection }, outcome) => called.push(`${run} ${connection} ${outcome}`),
      watch(one) {
        tell = one;
        return () => (tell = () => undefined);
      },
      onError: (error) => errors.push(error),
    },
    (message) => sent.push(message),
  );
  const hear = (message: unknown) =>
    answering.hear(message as AskMessage, (key) => running.get(key));
  const ask = (key: number, number: number, port = "enter") =>
    hear({ kind: "ask", key, ask: number, question: { port, ...named } });
  return { answering, hear, ask, sent, called, errors, tell: (push: Push) => tell(push) };
}

function place() {
  const left: string[] = [];
  const admitted: Admitted = {
    breakerState: "closed",
    leave: (outcome) => void left.push(outcome),
  };
  return { left, admitted };
}

test("places of a run that is over go back, and what it still waits for is given up", async () => {
  const { left, admitted } = place();
  const waits: AbortSignal[] = [];
  const { answering, ask, hear, sent } = open(async (_, __, signal) => {
    waits.push(signal);
    return waits.length === 1 ? admitted : new Promise(() => {});
  });
  ask(1, 1);
  ask(1, 2);
  ask(2, 3);
  await turn();
  expect(sent).toEqual([{ kind: "answer", ask: 1, answer: { breakerState: "closed" } }]);
  answering.ended(1);
  expect(left).toEqual(["ignored"]);
  expect(waits.map(({ aborted }) => aborted)).toEqual([true, true, false]);
  // Nobody's any more.
  hear({ kind: "leave", ask: 1, outcome: "failure" });
  expect(left).toEqual(["ignored"]);
});

test("who is not running is not answered", async () => {
  const { ask, sent, called, hear } = open(async () => place().admitted);
  ask(7, 1);
  hear({ kind: "called", key: 7, ...named, outcome: "failure" });
  await turn();
  expect([sent, called]).toEqual([[], []]);
});

test("what a host says of a connection that it was never given is not counted", async () => {
  const { ask, called, hear, sent, tell } = open(async () => place().admitted);
  hear({ kind: "called", key: 1, ...named, outcome: "failure" });
  tell({ kind: "circuit", connection: "crm", isClosed: false });
  expect([called, sent]).toEqual([[], []]);
  ask(1, 1, "connection");
  await turn();
  hear({ kind: "called", key: 1, ...named, outcome: "failure" });
  hear({ kind: "called", key: 1, ...named, outcome: "splendid" });
  expect(called).toEqual(["run one crm failure"]);
  tell({ kind: "circuit", connection: "crm", isClosed: false });
  tell({ kind: "circuit", connection: "erp", isClosed: false });
  expect(sent.slice(1)).toEqual([{ kind: "circuit", connection: "crm", isClosed: false }]);
});

test("a host out of its mind is refused, and ends nobody else", async () => {
  const { left, admitted } = place();
  let entered = 0;
  const { ask, hear, sent, errors } = open(async () => {
    entered += 1;
    return entered === 1 ? admitted : new Promise(() => {});
  });
  for (let number = 1; number <= 10_001; number += 1) ask(1, number);
  // One number twice is one question.
  ask(1, 1);
  await turn();
  expect(entered).toBe(10_000);
  expect(sent.find(({ kind }) => kind === "refused")).toMatchObject({
    ask: 10_001,
    failure: { code: "connection_failed", retryable: true },
  });
  hear({ kind: "leave", ask: 1, outcome: { what: "ever" } });
  expect(left).toEqual(["ignored"]);
  hear({ kind: "ask", key: 2, ask: 20_000, question: null });
  await turn();
  expect(sent.at(-1)).toMatchObject({ kind: "refused", ask: 20_000 });
  expect(errors).toHaveLength(1);
});

test("of a host that is gone nothing is heard, and nothing stays", async () => {
  const { left, admitted } = place();
  const { answering, ask, sent } = open(async () => admitted);
  ask(1, 1);
  await turn();
  answering.close();
  expect(left).toEqual(["ignored"]);
  ask(2, 2);
  await turn();
  expect(sent).toHaveLength(1);
});
