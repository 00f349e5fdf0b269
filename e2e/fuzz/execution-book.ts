import { isDone, type ExecutionStatus } from "@tl-engine/contract";
import type { Client } from "@tl-engine/client";
import { Client as Postgres } from "pg";
import { eventually } from "../support/eventually.ts";

/** Which executions were accepted, and whose they are. */
export interface ExecutionBook {
  /** Execution id → name of the caller. */
  readonly owners: ReadonlyMap<string, string>;
  /** @param again whether the answer calls itself a replay */
  accepted(id: string, owner: string, again: boolean): void;
  /**
   * Ends what is left, and compares the book with the record.
   * @param unanswered requests that we left without an answer: so many executions may be recorded that nobody knows
   * @returns what does not fit, as sentences
   */
  audit(plane: Client, unanswered: number): Promise<string[]>;
}

/** See {@link ExecutionBook}; what is recorded already is nobody's business here. */
export async function openBook(databaseUrl: string): Promise<ExecutionBook> {
  const before = new Set((await readRecorded(databaseUrl)).keys());
  const owners = new Map<string, string>();
  const wrong: string[] = [];
  return {
    owners,
    accepted(id, owner, again) {
      const before = owners.get(id);
      if (again && before === undefined) wrong.push(`${id} is a replay of what was never accepted`);
      if (again && before !== undefined && before !== owner)
        wrong.push(`${id} of ${before} was given to ${owner}`);
      if (!again && before !== undefined) wrong.push(`${id} was accepted twice`);
      owners.set(id, owner);
    },
    async audit(plane, unanswered) {
      const strays = [...(await readRecorded(databaseUrl)).keys()].filter(
        (id) => !owners.has(id) && !before.has(id),
      );
      if (strays.length > unanswered) {
        wrong.push(`${strays.length} are recorded that nobody was told of, such as ${strays[0]}`);
      }
      await endAll(plane, [...owners.keys(), ...strays]);
      const recorded = await readRecorded(databaseUrl);
      for (const id of before) recorded.delete(id);
      for (const [id, status] of recorded)
        if (!isDone(status)) wrong.push(`${id} is still ${status}`);
      for (const id of owners.keys()) {
        if (!recorded.has(id)) wrong.push(`${id} was accepted and is lost`);
      }
      return wrong;
    },
  };
}

/** Cancels what has not ended by itself, and waits for all. */
async function endAll(plane: Client, ids: readonly string[]): Promise<void> {
  let open = new Set(ids);
  const look = async (): Promise<void> => {
    const left = [...open];
    open = new Set();
    for (let at = 0; at < left.length; at += 100) {
      const { executions } = await plane.statuses(left.slice(at, at + 100));
      for (const { execution_id: id, done } of executions) if (!done) open.add(id);
    }
  };
  await look();
  for (const id of open) {
    // It may end at the same moment.
    await plane.cancel(id).catch(() => undefined);
  }
  await eventually(
    "all that was accepted has ended",
    async () => {
      await look();
      return open.size === 0 ? true : null;
    },
    { withinMs: 60_000, everyMs: 200 },
  ).catch(() => undefined); // Those that did not are named below.
}

async function readRecorded(databaseUrl: string): Promise<Map<string, ExecutionStatus>> {
  const client = new Postgres({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; status: ExecutionStatus }>(
      "SELECT id, status FROM executions",
    );
    return new Map(rows.map(({ id, status }) => [id, status]));
  } finally {
    await client.end();
  }
}
