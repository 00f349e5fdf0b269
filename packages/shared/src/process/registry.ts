import { hostname } from "node:os";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/database.ts";
import { createRecordClock } from "./record-clock.ts";

/** An engine version that a worker serves, and how many of it at once. */
export interface ServedEngine {
  engineId: string;
  version: number;
  slots: number;
}

/** This process' leased row; see the table `processes`. */
export interface Registration {
  readonly id: string;
  /** Postgres' time when the row was written first. */
  readonly startedAt: Date;
  /** Postgres' time, reckoned from the last heartbeat, in ms since 1970: see RecordClock. */
  now(): number;
  /** Renews the lease at once where it may have run out, for example after the process was frozen. */
  ensureLease(): Promise<void>;
  /** Renews the lease whatever this process believes of it. */
  renewLease(): Promise<void>;
  /** Hears that the lease had run out in between: what this process held may be somebody else's by now. */
  onLost(hear: () => void): void;
  /** Where the heartbeat takes the mark of what is enqueued from. */
  reportEnqueuedThrough(read: () => Date): void;
  /** Writes which engine versions this worker serves: these, and no others any more. */
  serve(engines: ServedEngine[]): Promise<void>;
  /** Says that this worker takes nothing new. */
  setDraining(): Promise<void>;
  /** Ends the lease. Rows that this process had to enqueue must be enqueued by then. */
  close(): Promise<void>;
}

export interface RegisterOptions {
  kind: "api" | "worker";
  leaseMs: number;
  onError: (error: unknown) => void;
}

/**
 * Writes this process' row and keeps its lease by a heartbeat at a third of it.
 * @throws where Postgres cannot be reached
 */
export async function registerProcess(
  db: Database,
  options: RegisterOptions,
): Promise<Registration> {
  const { kind, leaseMs, onError } = options;
  const id = uuidv7();
  const values = [id, kind, hostname().slice(0, 200), process.pid, leaseMs];
  const first = await db.pool.query<{ now: Date }>(
    `INSERT INTO processes (id, kind, host, pid, lease_until)
     VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond') RETURNING now() AS now`,
    values,
  );
  const startedAt = first.rows[0]?.now;
  if (startedAt === undefined) throw new Error("Postgres said nothing");
  const clock = createRecordClock(startedAt);
  let enqueuedThrough = () => startedAt;
  let served: ServedEngine[] = [];
  let draining = false;
  let renewedAt = performance.now();
  let renewing: Promise<void> | null = null;
  let closed = false;
  const lost: (() => void)[] = [];

  async function renew(): Promise<void> {
    const sentAt = performance.now();
    // Where others have taken the row away it is written anew, with what this process knows, all in one commit.
    const { rows } = await db.pool.query<{ inserted: boolean; now: Date }>({
      name: "renew-lease",
      text: `WITH renewed AS (
          INSERT INTO processes AS p (id, kind, host, pid, lease_until, enqueued_through, draining)
          VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond', $6, $7)
          ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until,
            enqueued_through = excluded.enqueued_through, draining = excluded.draining
          RETURNING xmax = 0 AS inserted
        ), served AS (
          INSERT INTO process_engines (process_id, engine_id, version, slots)
          SELECT $1, s.* FROM renewed, unnest($8::text[], $9::int[], $10::int[]) AS s WHERE renewed.inserted
          ON CONFLICT (engine_id, version, process_id) DO NOTHING
        )
        SELECT inserted, now() AS now FROM renewed`,
      values: [...values, enqueuedThrough(), draining, ...columnsOf(served)],
    });
    renewedAt = sentAt;
    if (rows[0] !== undefined) clock.hear(rows[0].now);
    if (rows[0]?.inserted === true) for (const hear of lost) hear();
  }

  async function writeServed(): Promise<void> {
    await db.pool.query(
      `WITH gone AS (
         DELETE FROM process_engines s WHERE s.process_id = $1
           AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::int[]) AS k(engine_id, version)
             WHERE k.engine_id = s.engine_id AND k.version = s.version))
       INSERT INTO process_engines (process_id, engine_id, version, slots)
       SELECT $1, * FROM unnest($2::text[], $3::int[], $4::int[])
       ON CONFLICT (engine_id, version, process_id) DO UPDATE SET slots = excluded.slots`,
      [id, ...columnsOf(served)],
    );
  }

  function renewOnce(): Promise<void> {
    renewing ??= renew().finally(() => {
      renewing = null;
    });
    return renewing;
  }

  let heartbeat: NodeJS.Timeout;
  function beat(inMs: number): void {
    heartbeat = setTimeout(() => {
      renewOnce().then(
        () => beat(leaseMs / 3),
        (error: unknown) => {
          onError(error);
          // The lease goes on running out meanwhile.
          beat(Math.min(1_000, leaseMs / 15));
        },
      );
    }, inMs);
    heartbeat.unref();
    if (closed) clearTimeout(heartbeat);
  }
  beat(leaseMs / 3);

  return {
    id,
    startedAt,
    now: () => clock.now(),
    async ensureLease() {
      if (performance.now() - renewedAt > leaseMs * 0.6) await renewOnce();
    },
    renewLease: renewOnce,
    onLost(hear) {
      lost.push(hear);
    },
    reportEnqueuedThrough(read) {
      enqueuedThrough = read;
    },
    async serve(engines) {
      served = engines;
      await writeServed();
    },
    async setDraining() {
      // A renewal that is under way does not say it.
      await renewing?.catch(() => {});
      draining = true;
      await renewOnce();
    },
    async close() {
      if (closed) return;
      closed = true;
      clearTimeout(heartbeat);
      await renewing?.catch(() => {});
      // Through the usual door: whoever reconciles finds the lease ended and takes over whatever is left.
      await db.pool
        .query(
          "UPDATE processes SET lease_until = '-infinity', enqueued_through = $2, draining = true WHERE id = $1",
          [id, enqueuedThrough()],
        )
        .catch(onError);
    },
  };
}

function columnsOf(served: readonly ServedEngine[]): [string[], number[], number[]] {
  return [
    served.map((engine) => engine.engineId),
    served.map((engine) => engine.version),
    served.map((engine) => engine.slots),
  ];
}
