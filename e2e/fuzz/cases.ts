import fc, { type Arbitrary } from "fast-check";
import { goodRequests } from "./good-requests.ts";
import { bodyMutations } from "./mutate-body.ts";
import { headerMutations, methodMutations } from "./mutate-headers.ts";
import { targetMutations } from "./mutate-target.ts";
import type { Mutation } from "./mutation.ts";
import type { Operation } from "./operations.ts";
import { rawCases, type RawCase } from "./raw-cases.ts";
import type { HeaderLine, WireRequest } from "./wire-request.ts";
import type { World } from "./world.ts";

/** One thing that the fuzzer sends. */
export type FuzzCase =
  | {
      readonly kind: "request";
      /** Whose it is, what it began as, and what was changed. */
      readonly story: readonly string[];
      readonly request: WireRequest;
    }
  | ({ readonly kind: "raw" } & RawCase);

/**
 * Everything that is tried, for some operations. It shrinks towards fewer and simpler changes of a simpler request.
 */
export function fuzzCases(world: World, operations: readonly Operation[]): Arbitrary<FuzzCase> {
  const good = operations.map((operation) => requestsOf(world, operation));
  const whole = fc.oneof(
    ...good.map((arbitrary, n) => ({ weight: weightOf(operations[n]), arbitrary })),
  );
  const raw = rawCases(world, fc.oneof(...operations.map((one) => signed(world, one))));
  return fc.oneof(
    { weight: 12, arbitrary: whole },
    { weight: 1, arbitrary: raw.map((one) => ({ kind: "raw", ...one }) as const) },
  );
}

/** What has a body has more that can be wrong with it, and a submit most of all. */
function weightOf(operation: Operation | undefined): number {
  if (operation === undefined || operation.body === null) return 2;
  return operation.responses.has(202) ? 9 : 5;
}

function requestsOf(world: World, operation: Operation): Arbitrary<FuzzCase> {
  const fresh = changedRequests(world, operation);
  const takesKey = operation.parameters.some(({ name }) => name === "Idempotency-Key");
  if (!takesKey) return fresh;
  const again = fc.tuple(fc.nat({ max: 99 }), fresh).map(([n, otherwise]): FuzzCase => {
    const request = world.submits.pick(n);
    return request === null ? otherwise : { kind: "request", story: ["sent again"], request };
  });
  return fc.oneof({ weight: 9, arbitrary: fresh }, { weight: 1, arbitrary: again });
}

/** A good request of somebody's, with some changes or none. */
function changedRequests(world: World, operation: Operation): Arbitrary<FuzzCase> {
  return fc
    .record({
      request: goodRequests(world, operation),
      caller: senders(world, operation),
      id: fc.option(fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/)),
      mutations: fc.oneof(
        { weight: 1, arbitrary: fc.constant<Mutation[]>([]) },
        { weight: 3, arbitrary: fc.array(mutationsFor(operation), { maxLength: 3 }) },
      ),
    })
    .map(({ request, caller, id, mutations }) => {
      const own: HeaderLine[] = id === null ? [] : [["X-Request-Id", id]];
      const headers = [...caller.headers, ...request.headers, ...own];
      const from: WireRequest = { ...request, headers };
      const changed = mutations.reduce((before, mutation) => mutation.apply(before), from);
      return {
        kind: "request",
        story: [operation.name, `as ${caller.name}`, ...mutations.map(({ name }) => name)],
        request: withShortWait(changed),
      };
    });
}

function mutationsFor({ body }: Operation): Arbitrary<Mutation> {
  return fc.oneof(
    { weight: 4, arbitrary: targetMutations },
    { weight: 4, arbitrary: headerMutations },
    { weight: 1, arbitrary: methodMutations },
    { weight: body === null ? 1 : 10, arbitrary: bodyMutations },
  );
}

interface Sender {
  name: string;
  headers: readonly HeaderLine[];
}

/** Mostly those who may, often others, and some whom nobody knows. */
function senders({ callers }: World, { credential }: Operation): Arbitrary<Sender> {
  const known = callers.known.map(({ name, credential }) => ({ name, headers: [credential] }));
  const [plane, program] = known as unknown as [Sender, Sender];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(plane) },
    { weight: credential === "plane" ? 1 : 6, arbitrary: fc.constant(program) },
    { weight: 4, arbitrary: fc.constantFrom<Sender>(...known) },
    { weight: 2, arbitrary: fc.constantFrom<Sender>(...callers.strangers) },
  );
}

function signed(world: World, operation: Operation): Arbitrary<WireRequest> {
  const { credential } = world.callers.known[0]!;
  return goodRequests(world, operation).map((request) =>
    withShortWait({ ...request, headers: [credential, ...request.headers] }),
  );
}

/** A wait of a minute would be honoured: it becomes one of a second. */
function withShortWait(request: WireRequest): WireRequest {
  const shorten = (text: string): string =>
    text.replaceAll(/(wait\s*=\s*"?)0*(?:[2-9]|[1-9]\d{1,8})(?!\d)/gi, "$11");
  return {
    ...request,
    target: shorten(request.target),
    headers: request.headers.map(([name, value]) => [
      name,
      name.toLowerCase() === "prefer" ? shorten(value) : value,
    ]),
  };
}
