import { silentLog } from "@tl-engine/shared/log/log.ts";
import { expect, test } from "vitest";
import type { CarrierEvents, StartCarrier } from "./carrier.ts";
import { crashed } from "./death.ts";
import { noPorts } from "../testing/no-ports.ts";
import { startHost } from "./host.ts";
import type { ToHost } from "./protocol.ts";
import type { Run, RunEnd } from "./run.ts";
import { createSingleRunHosts } from "./single-run-hosts.ts";

interface Told {
  run: Run;
  ends: RunEnd[];
}

function makeRun(key: number): Told {
  const ends: RunEnd[] = [];
  const run: Run = {
    message: {
      kind: "start",
      key,
      engineId: "e",
      version: 1,
      executionId: `${key}`,
      attempt: 1,
      dispatch: 1,
      inputText: "null",
      traceparent: null,
    },
    overdueAt: Infinity,
    aborted: null,
    begun() {
      run.overdueAt = 1;
    },
    end: (end) => void ends.push(end),
  };
  return { run, ends };
}

/** A pool with room for one host, whose carriers do what the test tells them. */
function makePool() {
  const carriers: { events: CarrierEvents; heard: ToHost[] }[] = [];
  const carrier: StartCarrier = (_options, events) => {
    const heard: ToHost[] = [];
    carriers.push({ events, heard });
    return { send: (batch) => void heard.push(...batch), loaded() {}, isWorn: false, kill() {} };
  };
  const pool = createSingleRunHosts({
    startHost: (events) =>
      startHost({
        name: "host",
        carrier,
        spec: { resolveFrom: "", outboundAllow: "", maxOutputBytes: 1, modules: [] },
        memory: { heapMib: 1, rssMib: 1 },
        env: {},
        events,
        voices: { log() {}, progress() {}, call() {} },
        ports: noPorts,
        log: silentLog,
      }),
    onReplaced() {},
    limit: 1,
    gate: null,
  });
  return { pool, carriers };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a host that is being ended takes nothing, though it says that it is ready", async () => {
  const { pool, carriers } = makePool();
  const [first, second] = [makeRun(1), makeRun(2)];
  pool.run(first.run);
  pool.run(second.run);
  const host = carriers[0]!;
  host.events.heard([
    { kind: "crashed", key: null, fatal: false, detail: "while it loaded", stack: null },
    { kind: "ready" },
  ]);
  host.events.gone(crashed("ended"));
  await turn();
  expect(first.ends).toMatchObject([{ kind: "stopped", failure: { code: "engine_crashed" } }]);

  expect(carriers).toHaveLength(2);
  carriers[1]!.events.heard([{ kind: "ready" }]);
  await turn();
  expect(carriers[1]!.heard).toMatchObject([{ kind: "start", key: 2 }]);
});

test("what had not begun did not end its host", async () => {
  const { pool, carriers } = makePool();
  const [waiting, running] = [makeRun(1), makeRun(2)];
  pool.run(waiting.run);
  carriers[0]!.events.gone(crashed("the system has no room"));
  expect(waiting.ends).toMatchObject([{ kind: "stopped", hostDied: false }]);

  pool.run(running.run);
  carriers[1]!.events.heard([{ kind: "ready" }]);
  await turn();
  carriers[1]!.events.gone(crashed("it aborted"));
  expect(running.ends).toMatchObject([{ kind: "stopped", hostDied: true }]);
});
