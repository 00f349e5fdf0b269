import { randomUUID } from "node:crypto";
import type { Client } from "@tl-engine/client";
import type { Deployment } from "../support/deployment.ts";
import { eventually } from "../support/eventually.ts";
import { request } from "../support/request.ts";
import { makeCallers, type Callers } from "./callers.ts";
import { openBook, type ExecutionBook } from "./execution-book.ts";
import { createSubmitsWithAKey, type SubmitsWithAKey } from "./submits-with-a-key.ts";
import { readDocument, type ApiDocument, type Schema } from "./operations.ts";

/** A handful of real values of one kind; new ones push out the oldest. */
export interface Pool {
  readonly values: readonly string[];
  add(value: string): void;
}

/** What a caller who knows his way around knows of a deployment. */
export interface World {
  readonly url: string;
  readonly document: ApiDocument;
  readonly callers: Callers;
  readonly book: ExecutionBook;
  /** Engine id → schema of its input. */
  readonly inputs: ReadonlyMap<string, Schema>;
  readonly executions: Pool;
  /** Those of them that can still be canceled, more likely than not. */
  readonly open: Pool;
  readonly keys: Pool;
  readonly connections: Pool;
  /** Ids of registered remote engines; what was unregistered stays among them. */
  readonly remoteEngines: Pool;
  readonly webhookEndpoints: Pool;
  /** An execution of tl-plane's whose end somebody was told of: its id, the delivery's, and that of a try in the log. */
  readonly told: { execution: string; callback: string; call: string };
  readonly etags: Pool;
  /** Cursors that a list has given out, by the list's path. */
  cursorsOf(path: string): Pool;
  readonly submits: SubmitsWithAKey;
  /** When the run began, ms since 1970. */
  readonly startedAt: number;
}

/** Engines that the fuzzer submits to: what they are given does not reach the outside. */
const engines = ["echo", "flaky", "sleep", "validate.json-schema"];
/** What the deployment of a fuzzer must be given: nobody's limit may end the run. */
export const fuzzDeployment = {
  engines: ["flaky", "sleep"],
  env: {
    TL_PLANE_RATE_LIMIT: "1000000000",
    TL_RATE_LIMIT: "1000000000",
    TL_WORKER_CONCURRENCY: "20",
    TL_GRACE_SECONDS: "1",
    TL_CORS_ORIGINS: "https://app.example.com",
  },
} as const;

/** Makes callers, keys and executions of every status, and reads the document from the API itself. */
export async function makeWorld(deployment: Deployment, databaseUrl: string): Promise<World> {
  const url = deployment.apis[0]!.url;
  const document = readDocument((await request(`${url}/openapi.json`)).json);
  const callers = await makeCallers(deployment);
  const plane = deployment.client();
  const inputs = new Map<string, Schema>();
  for (const id of engines) inputs.set(id, (await plane.engine(id)).input_schema);
  const cursors = new Map<string, Pool>();
  const world: World = {
    url,
    document,
    callers,
    book: await openBook(databaseUrl),
    inputs,
    executions: makePool(),
    open: makePool(),
    keys: makePool(),
    connections: makePool(),
    remoteEngines: makePool(),
    webhookEndpoints: makePool(),
    told: await tellSomebody(plane),
    etags: makePool(),
    cursorsOf(path) {
      const pool = cursors.get(path) ?? makePool();
      cursors.set(path, pool);
      return pool;
    },
    submits: createSubmitsWithAKey(),
    startedAt: Date.now(),
  };
  await seedExecutions(world);
  await seedKeys(world, plane);
  await seedConnections(world, plane);
  await seedRemoteEngines(world, plane);
  return world;
}

async function seedExecutions({ url, callers, book, executions, open }: World): Promise<void> {
  const hour = { ttl: "1h", timeout: "1h" };
  const submits = [
    { engine: "echo", body: { input: { a: [1, "b", null] }, tags: ["invoice"] } },
    { engine: "flaky", body: { input: { failures: 9 }, options: { max_attempts: 1 } } },
    { engine: "sleep", body: { input: { ms: 3_000_000 }, options: hour } },
    { engine: "echo", body: { input: 1, options: { delay: "1h" }, metadata: { order: "A-17" } } },
  ];
  for (const caller of callers.known) {
    const mayExecute = caller.scopes === null || caller.scopes.has("engines:execute");
    if (!mayExecute || caller.limit === "spent") continue;
    for (const { engine, body } of submits) {
      const answer = await request(`${url}/api/v1/engines/${engine}/execute`, {
        json: body,
        headers: Object.fromEntries([caller.credential]),
      });
      if (answer.status !== 202) throw new Error(`A submit was answered ${answer.text}`);
      book.accepted(answer.json.execution_id, caller.name, false);
      executions.add(answer.json.execution_id);
      if (engine === "sleep") open.add(answer.json.execution_id);
    }
  }
  // From now on the one who has spent his limit has.
  const [, secret] = callers.known.find(({ limit }) => limit === "spent")!.credential;
  const headers = { "x-api-key": secret };
  await request(`${url}/api/v1/engines`, { headers });
  for (let n = 0; n < 10; n++) await request(`${url}/api/v1/executions`, { headers });
}

/** The address is refused by the door: the delivery fails, is on record, and may be sent again. */
async function tellSomebody(plane: Client): Promise<World["told"]> {
  const { execution_id } = await plane.execute("echo", 1, {
    callback: { url: "https://127.0.0.1:9/hook" },
  });
  return eventually("a callback is in the outbound log", async () => {
    const [delivery] = await plane.webhooks.callbacksOf(execution_id);
    for await (const call of plane.outboundCalls.list({ executionId: execution_id })) {
      const { id } = call;
      if (delivery && id !== null)
        return { execution: execution_id, callback: delivery.id, call: id };
    }
    return null;
  });
}

async function seedKeys({ keys }: World, plane: Client): Promise<void> {
  for (const name of ["one", "two", "three", "revoked"]) {
    const { id } = await plane.keys.create({ name });
    keys.add(id);
    if (name === "revoked") await plane.keys.revoke(id);
  }
}

/** No call of theirs leaves: what they lead to is refused by the door. */
async function seedConnections({ connections }: World, plane: Client): Promise<void> {
  const auth = { type: "bearer", token: "a-token-that-is-shown-nowhere" } as const;
  for (const n of [1, 2, 3]) {
    const id = `seeded-${randomUUID()}-${n}`;
    await plane.connections.create({ id, kind: "http", base_url: "https://127.0.0.1:9/v2", auth });
    connections.add(id);
  }
}

/** As many as a run may unregister. */
async function seedRemoteEngines(
  { connections, remoteEngines }: World,
  plane: Client,
): Promise<void> {
  for (let n = 1; n <= 12; n++) {
    const id = `seeded-${randomUUID()}`;
    const [connection = ""] = connections.values;
    const schemas = { input_schema: {}, output_schema: {} };
    await plane.remoteEngines.register({ id, version: 1, connection, ...schemas });
    remoteEngines.add(id);
  }
}

const poolSize = 24;

function makePool(): Pool {
  const values: string[] = [];
  let next = 0;
  return {
    values,
    add(value) {
      if (values.includes(value)) return;
      values[next % poolSize] = value;
      next += 1;
    },
  };
}
