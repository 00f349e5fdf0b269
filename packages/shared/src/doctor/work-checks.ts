import type pg from "pg";
import { remoteHolder } from "../executions/remote-holder.ts";
import { error, ok, warning, type Finding } from "./finding.ts";

/** Ready for longer than this is a backlog that somebody should know of, s. */
const longWaitSeconds = 60;
/** The reconciler ends what is overdue within a turn; so long past its deadline nobody does, s. */
const overdueSeconds = 60;
/** A leader's lease ends, and the next one follows at once: nobody leads for so long only where nobody can, s. */
const leaderlessSeconds = 60;
/** How many of one kind are named. */
const most = 10;

interface VersionRow {
  name: string;
  engine_id: string;
  waiting: number;
  running: number;
  scheduled: number;
  workers: number;
  oldest: number | null;
}

/** Backlogs: what nobody serves, and what waits for long. */
export async function checkBacklog(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<VersionRow>(
    `WITH unfinished AS (
       SELECT engine_id, version, sum(queued)::float8 AS waiting, sum(running)::float8 AS running, sum(scheduled)::float8 AS scheduled
       FROM engine_counters GROUP BY 1, 2 HAVING sum(queued) + sum(running) + sum(scheduled) > 0
     )
     SELECT u.*, u.engine_id || '@' || u.version AS name,
       (SELECT count(*)::int FROM process_engines s JOIN processes p ON p.id = s.process_id
        WHERE s.engine_id = u.engine_id AND s.version = u.version AND p.lease_until > now() AND NOT p.draining) AS workers,
       extract(epoch FROM now() - least((
         SELECT coalesce(e.waiting_since, e.ready_at) FROM executions e
         WHERE e.engine_id = u.engine_id AND e.version = u.version AND e.status = 'queued' AND e.wait_reason IS NULL
         ORDER BY e.ready_at LIMIT 1
       ), (
         SELECT min(e.waiting_since) FROM executions e WHERE e.engine_id = u.engine_id AND e.version = u.version
           AND e.status = 'queued' AND e.wait_reason = 'dispatch_pending')))::float8 AS oldest
     FROM unfinished u ORDER BY u.waiting DESC`,
  );
  const unserved = rows.filter(
    ({ workers, waiting, scheduled }) => workers === 0 && waiting + scheduled > 0,
  );
  const late = rows.filter(({ workers, oldest }) => workers > 0 && (oldest ?? 0) > longWaitSeconds);
  const total = (of: "waiting" | "running" | "scheduled") =>
    rows.reduce((sum, row) => sum + row[of], 0);
  const oldest = Math.max(0, ...rows.map((row) => row.oldest ?? 0));
  const summary = `${total("waiting")} queued (the oldest ready one for ${oldest.toFixed(1)} s), ${total("running")} running, ${total("scheduled")} scheduled`;
  const findings = [
    ...unserved
      .slice(0, most)
      .map(({ name, engine_id: engine, waiting, scheduled }) =>
        error(
          "work.unserved",
          `No worker serves ${name}`,
          `${waiting + scheduled} executions wait for it, until their ttl`,
          `TL_WORKER_ENGINES=${engine} npm run worker   # for an engine of your own with TL_ENGINES=<its file or package>`,
        ),
      ),
    ...late
      .slice(0, most)
      .map(({ name, waiting, oldest: age, workers }) =>
        warning(
          "work.backlog",
          `${name} has a backlog`,
          `${waiting} queued, the oldest ready one for ${Math.round(age ?? 0)} s, ${workers} workers`,
          "docker compose up -d --scale worker=8   # or more slots: TL_WORKER_CONCURRENCY=20",
        ),
      ),
  ];
  return findings.length > 0 ? findings : [ok("work.backlog", "No backlog", summary)];
}

/** No state without an exit: whatever is past its deadline should have been ended. */
export async function checkOverdue(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ status: string; count: number; oldest: number }>(
    `SELECT status, count(*)::int AS count, extract(epoch FROM now() - min(deadline_at))::float8 AS oldest FROM (
       SELECT status, deadline_at FROM executions WHERE deadline_at < now() - $1 * interval '1 second'
       ORDER BY deadline_at LIMIT 1000
     ) AS overdue GROUP BY status`,
    [overdueSeconds],
  );
  if (rows.length === 0) return [ok("work.overdue", "Nothing unfinished is past its deadline")];
  const kinds = rows.map(
    ({ status, count, oldest }) => `${count} ${status} (the oldest ${Math.round(oldest)} s past)`,
  );
  return [
    error(
      "work.overdue",
      "Executions are past their deadlines",
      `${kinds.join(", ")}; the leader ends such within a turn`,
      "# no leader, or its turns fail: look for this line in the logs of all processes, and start one more API\ndocker compose logs api worker | grep reconciled",
    ),
  ];
}

interface ProcessRow {
  apis: number;
  workers: number;
  draining: number;
  ended: number;
  led: number | null;
}

/** Who lives, who leads, and who is gone and was not cleared away. */
export async function checkProcesses(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<ProcessRow>(
    `SELECT count(*) FILTER (WHERE kind = 'api' AND lease_until > now())::int AS apis,
       count(*) FILTER (WHERE kind = 'worker' AND lease_until > now())::int AS workers,
       count(*) FILTER (WHERE draining AND lease_until > now())::int AS draining,
       count(*) FILTER (WHERE lease_until < now() - interval '1 minute')::int AS ended,
       (SELECT greatest(0, extract(epoch FROM now() - lease_until))::float8 FROM leader WHERE lease_until > '-infinity') AS led
     FROM processes WHERE id <> '${remoteHolder}'`,
  );
  const [row] = rows;
  return row === undefined ? [] : judgeProcesses(row);
}

function judgeProcesses({ apis, workers, draining, ended, led }: ProcessRow): Finding[] {
  const detail = `${apis} API, ${workers} worker${draining > 0 ? `, ${draining} of them stopping` : ""}`;
  if (apis + workers === 0) {
    return [
      error(
        "work.processes",
        "No process of tl-engine lives",
        "nothing is accepted and nothing runs",
        "npm start   # all of it on this machine; in production: npm run api, npm run worker",
      ),
    ];
  }
  const findings: Finding[] = [];
  if (apis === 0) {
    findings.push(error("work.processes", "No API process lives", detail, "npm run api"));
  } else if (workers === 0) {
    findings.push(error("work.processes", "No worker process lives", detail, "npm run worker"));
  } else {
    findings.push(ok("work.processes", "API and worker processes live", detail));
  }
  if (led === null || led > leaderlessSeconds) {
    findings.push(
      error(
        "work.leader",
        "Nobody leads",
        led === null
          ? "nobody ever did; what is stranded is not put back"
          : `the last leader's lease ended ${Math.round(led)} s ago; what is stranded is not put back`,
        "docker compose restart api   # and look for `something failed beside` in its log",
      ),
    );
  } else {
    findings.push(ok("work.leader", "One process leads"));
    if (ended > 0) {
      findings.push(
        warning(
          "work.ended_leases",
          `${ended} processes' leases ended and were not cleared away`,
          "the leader does so within a turn; it may be behind, or fail",
          "docker compose logs api worker | grep reconciled",
        ),
      );
    }
  }
  return findings;
}
