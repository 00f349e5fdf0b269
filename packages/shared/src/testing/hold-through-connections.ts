// A process that holds what a worker may hold of connections, until it is killed: a place, and the permit to try a circuit.
// By hand: npx node hold-through-connections.ts <database URL> <connection with a bound of 1> <connection with a circuit to be tried>
import { randomUUID } from "node:crypto";
import { createBreakers } from "../breakers/breakers.ts";
import { createPlaces } from "../connections/places.ts";
import { openStack } from "./stack.ts";

const [databaseUrl = "", bounded = "", guarded = ""] = process.argv.slice(2);
const { db, signals, registration } = await openStack({ databaseUrl, redisUrl: null });
const onError = (error: unknown): void => console.error(error);
const places = createPlaces({ pool: db.pool, signals, processId: registration.id, onError });
const breakers = createBreakers({
  pool: db.pool,
  signals,
  onError,
  onReleased: () => {},
  probeLeaseMs: 1_500,
});
await places.enter({ id: bounded, concurrency: 1 }, new AbortController().signal);
const policy = { failures: 1, ratio: 0.1, windowMs: 60_000, openMs: 1, maxOpenMs: 1 };
for (;;) {
  const entry = await breakers.enter({ id: guarded, revision: 1, breaker: policy }, randomUUID());
  if ("leave" in entry && entry.breakerState === "half_open") break;
  // It has not heard yet that it may be tried.
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(registration.id);
