import assert from "node:assert/strict";
import type { FaultCase } from "../case.ts";
import { hosts, misbehavingBed } from "../misbehaving/bed.ts";
import { assertAtWork, assertUnharmed, loadInnocents } from "../misbehaving/unharmed.ts";

const causes = {
  exit: "process.exit(1)",
  throw: "thrown where nobody catches",
  reject: "rejected where nobody looks",
  abort: "SIGABRT",
  segv: "SIGSEGV",
  kill: "SIGKILL",
} as const;
type How = keyof typeof causes;

const ways: readonly (readonly [engine: string, how: How])[] = hosts.flatMap((host) =>
  Object.keys(causes)
    // What a signal does to a thread it does to its worker: that is E5's.
    .filter((how) => host === "process" || ["exit", "throw", "reject"].includes(how))
    .map((how) => [`exit.${host}`, how as How] as const),
);

export const faultCase: FaultCase = {
  id: "E3",
  promise:
    "process.exit, an uncaught error, an unhandled rejection, in a process also abort and signals: engine_crashed with the cause, retried; the others on that worker end, and it takes new work within 5 s",
  backends: ["redis", "postgres"],
  short: ["redis"],
  async run(context) {
    const bed = await context.startBed(misbehavingBed);
    const workers = bed.livingWorkers().map(({ pid }) => pid);
    const ledger = await context.openLedger(bed, ["sleep", ...hosts.map((host) => `exit.${host}`)]);
    const howOf = new Map<string, How>();
    const innocents = loadInnocents(context, ledger, 200);
    for (let n = 0; n < context.size(2, 20); n++) {
      for (const [engine, how] of ways) {
        howOf.set(await ledger.submit({ engine, input: { how, attempts: 1 } }), how);
      }
    }
    await innocents;
    const audit = await ledger.audit(context.size(60_000, 300_000));
    assertUnharmed(audit, context);
    for (const [id, how] of howOf) {
      const error = audit.executions.get(id)?.attempts?.[0]?.error;
      assert.equal(error?.code, "engine_crashed", `${how} of ${id}`);
      assert(error?.detail.includes(causes[how]), `${how} is told as: ${error?.detail}`);
    }
    context.say(`${howOf.size} crashes in ${ways.length} ways`);
    await assertAtWork(bed, workers);
  },
};
