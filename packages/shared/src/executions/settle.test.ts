import { afterAll, beforeAll, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../../test/services.ts";
import { freshEngineId, newExecution, openStack, type Stack } from "../testing/stack.ts";
import { readExecutions } from "./read.ts";

const patient = new AbortController().signal;
const owner = { kind: "program", id: "key:abc" } as const;
let database: FreshDatabase;
let stack: Stack;

beforeAll(async () => {
  database = await freshDatabase();
  stack = await openStack({ databaseUrl: database.url, redisUrl: null });
});
afterAll(async () => {
  await stack?.close();
  await database?.drop();
});

test("an output too deep for Postgres fails its own execution and takes no other along", async () => {
  const engineId = freshEngineId();
  const executions = Array.from({ length: 4 }, () => newExecution({ engineId }));
  await Promise.all(executions.map((execution) => stack.submitter.submit(execution)));
  const ids = executions.map(({ id }) => id);
  const engine = { engineId, version: 1, concurrency: null };
  await stack.starter.start(
    engine,
    ids.map((id) => [id, 0] as const),
    patient,
  );
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const settled = await Promise.all(
    ids.map((id, index) =>
      stack.settler.settle({
        id,
        dispatch: 1,
        attempt: 1,
        outcome: "succeeded",
        outputText: index === 2 ? deep : "1",
      }),
    ),
  );
  expect(settled).toEqual(["succeeded", "succeeded", "failed", "succeeded"]);
  const bare = { output: false, input: false, attempts: false, calls: false };
  const [row] = await readExecutions(stack.db.pool, owner, ids.slice(2, 3), bare);
  expect(JSON.parse(row?.error ?? "")).toMatchObject({ code: "output_invalid" });
});
