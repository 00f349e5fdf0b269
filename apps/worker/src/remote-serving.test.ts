import type { RegisteredEngine } from "@tl-engine/shared/remote-engines/read-remote-engines.ts";
import { expect, test } from "vitest";
import { servesRemote } from "./choose-engines.ts";
import { startRemoteServing } from "./remote-serving.ts";
import { serveRemote } from "./serve-remote.ts";

const policy = {
  timeout_ms: 1_000,
  timeout_max_ms: 1_000,
  ttl_ms: 1_000,
  ttl_max_ms: 1_000,
  max_attempts: 1,
  max_attempts_max: 1,
  backoff_initial_ms: 1,
  backoff_factor: 2,
  backoff_max_ms: 1,
  concurrency: null,
  isolation: "inline",
  short_ms: null,
  memory_mib: 256,
  uses: ["http:crm"],
} as const;

function registered(
  id: string,
  revision: number,
  concurrency: number | null = null,
): RegisteredEngine {
  return {
    descriptor: {
      id,
      version: 1,
      title: id,
      description: null,
      input_schema: {},
      output_schema: {},
      example: null,
      policy: { ...policy, uses: [...policy.uses], concurrency },
    },
    connection: "crm",
    method: "POST",
    path: "/",
    revision,
  };
}

/** A worker that serves what a list says, and writes down what it does. */
function serving(limit: number, ids: string[] | null = null) {
  let list: RegisteredEngine[] = [];
  let announceFails = false;
  const did: string[] = [];
  const warned: string[] = [];
  const remote = startRemoteServing({
    reader: { read: () => Promise.resolve(list) },
    signals: { subscribe: () => undefined },
    mayServe: (id) => servesRemote(id, ids),
    limit,
    serve(one) {
      const engine = serveRemote(one, { concurrency: 10 }, () => undefined);
      did.push(`+${engine.name}#${one.revision} (${engine.slots.total})`);
      return engine;
    },
    unserve({ name }) {
      did.push(`-${name}`);
      return Promise.resolve();
    },
    announce() {
      did.push("said");
      return announceFails ? Promise.reject(new Error("no")) : Promise.resolve();
    },
    onError: () => undefined,
    log: {
      info: () => undefined,
      warn: (fields: { engines: string[] }) => void warned.push(fields.engines.join()),
    } as never,
  });
  return {
    warned,
    async after(next: RegisteredEngine[], fails = false): Promise<string[]> {
      list = next;
      announceFails = fails;
      await remote.look().catch(() => did.push("failed"));
      return did.splice(0);
    },
    stop: () => remote.stop(),
  };
}

test("what comes is served and said, what is changed is served anew, what is gone no more; nothing is said of nothing", async () => {
  const worker = serving(10);
  const [a, b] = [registered("a", 1), registered("b", 2, 3)];
  expect(await worker.after([a, b])).toEqual(["+a@1#1 (10)", "+b@1#2 (3)", "said"]);
  expect(await worker.after([a, b])).toEqual([]);
  expect(await worker.after([registered("a", 3), b])).toEqual(["-a@1", "+a@1#3 (10)", "said"]);
  expect(await worker.after([b])).toEqual(["-a@1", "said"]);
  worker.stop();
});

test("what could not be said is said at the next look", async () => {
  const worker = serving(10);
  const list = [registered("a", 1)];
  expect(await worker.after(list, true)).toEqual(["+a@1#1 (10)", "said", "failed"]);
  expect(await worker.after(list)).toEqual(["said"]);
  expect(await worker.after(list)).toEqual([]);
  worker.stop();
});

test("no more than the limit is served, those registered first, and what is left out is named once", async () => {
  const worker = serving(2);
  const list = [registered("a", 1), registered("b", 2), registered("c", 3)];
  expect(await worker.after(list)).toEqual(["+a@1#1 (10)", "+b@1#2 (10)", "said"]);
  await worker.after(list);
  expect(worker.warned).toEqual(["c@1"]);
  expect(await worker.after(list.slice(1))).toEqual(["-a@1", "+c@1#3 (10)", "said"]);
  worker.stop();
});

test("TL_WORKER_ENGINES names remote ones apart from those of its own", async () => {
  const list = [registered("a", 1), registered("b", 2)];
  for (const [ids, expected] of [
    [null, ["a", "b"]],
    [["a"], []],
    [["echo", "remote:b"], ["b"]],
    [["remote:*"], ["a", "b"]],
  ] as const) {
    const worker = serving(10, ids === null ? null : [...ids]);
    const did = await worker.after(list);
    expect(did.filter((one) => one.startsWith("+")).map((one) => one[1])).toEqual(expected);
    worker.stop();
  }
});
