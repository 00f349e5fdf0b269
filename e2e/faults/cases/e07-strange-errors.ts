import assert from "node:assert/strict";
import { strangeErrors } from "../../engines/strange.ts";
import type { FaultCase } from "../case.ts";
import { hosts, misbehavingBed } from "../misbehaving/bed.ts";
import { assertAtWork } from "../misbehaving/unharmed.ts";

export const faultCase: FaultCase = {
  id: "E7",
  promise:
    "an engine that throws what is no Error (null, a Proxy, a message of 1 MiB, a throwing toString, …), in all three kinds of hosts: failed with a non-empty reason of at most 4 KiB",
  backends: ["redis"],
  short: true,
  async run(context) {
    const bed = await context.startBed(misbehavingBed);
    const workers = bed.livingWorkers().map(({ pid }) => pid);
    const engines = hosts.map((host) => `strange.${host}`);
    const ledger = await context.openLedger(bed, engines);
    for (const engine of engines) {
      await ledger.load({
        engine,
        input: (n) => ({ throws: strangeErrors[n % strangeErrors.length] }),
        count: strangeErrors.length * context.size(2, 34),
      });
    }
    const { executions } = await ledger.audit(context.size(60_000, 300_000));
    for (const { execution_id: id, error } of executions.values()) {
      const detail = error?.detail ?? "";
      assert.notEqual(detail.trim(), "", `${id} gives no reason`);
      assert(Buffer.byteLength(detail) <= 4_096, `${id} gives ${detail.length} characters`);
    }
    context.say(`${executions.size} errors of ${strangeErrors.length} kinds`);
    await assertAtWork(bed, workers);
  },
};
