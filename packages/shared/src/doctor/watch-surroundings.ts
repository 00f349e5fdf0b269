import type { Redis } from "ioredis";
import type pg from "pg";
import type { Config } from "../config/config.ts";
import type { Log } from "../log/log.ts";
import { judgeClock, postgresClock } from "./clock-checks.ts";
import { checkConnectionLimit } from "./connection-checks.ts";
import { redisChecks } from "./examine.ts";
import type { Check, Finding } from "./finding.ts";
import { checkMachine, readMachine } from "./machine-checks.ts";
import { checkNetwork } from "./network-checks.ts";
import { checkPostgresSettings } from "./postgres-checks.ts";
import { couldNotLook, runChecks } from "./run-checks.ts";
import { checkSecrets } from "./secret-checks.ts";

export interface WatchSurroundingsOptions {
  config: Config;
  pool: pg.Pool;
  /** null where the queue is on Postgres. */
  redis: Redis | null;
  log: Log;
  /** Hears of what makes it useless to go on: no later look will find it mended without a new start. */
  onUnfit?: (finding: Finding) => void;
  everyMs?: number;
}

export interface SurroundingsWatch {
  /** What this process does without, or does worse, at the moment. */
  degraded(): string[];
  stop(): void;
}

/** Findings under which a process that consumes the queue can never work: BullMQ refuses such a Redis. */
const unfit = new Set(["redis.version", "redis.cluster"]);

/**
 * The cheap ones of the doctor's checks, for a process that has started: at once, and each minute again. It delays
 * nothing and ends nothing: each finding is logged once, with what mends it, and once more when it comes back.
 */
export function watchSurroundings(options: WatchSurroundingsOptions): SurroundingsWatch {
  const { config, pool, redis, log, onUnfit, everyMs = 60_000 } = options;
  const lasting: Check[] = [
    { id: "postgres.settings", look: () => checkPostgresSettings(pool) },
    { id: "postgres.connections", look: () => checkConnectionLimit(pool, redis !== null) },
    { id: "clock.postgres", look: async () => [judgeClock(await postgresClock(pool))] },
    ...(redis === null ? [] : redisChecks(redis)),
  ];
  const once: Check[] = [
    { id: "machine", look: () => checkMachine(readMachine()) },
    { id: "secrets", look: () => checkSecrets(config) },
    { id: "network", look: () => checkNetwork({ config, developmentSecrets: false }) },
  ];
  const told = new Set<string>();
  let degraded: string[] = [];
  let stopped = false;
  let timer: NodeJS.Timeout | null = null;

  async function look(checks: readonly Check[]): Promise<void> {
    const findings = await runChecks(checks);
    if (stopped) return;
    // Whoever is away is named by readiness already.
    const found = findings.filter(({ title }) => title !== couldNotLook);
    for (const finding of found) {
      if (finding.level === "ok") told.delete(finding.id);
      else if (!told.has(finding.id)) {
        told.add(finding.id);
        tell(log, finding);
      }
    }
    degraded = found.flatMap((finding) => finding.degraded ?? []);
    const hopeless = found.find(({ id, level }) => level === "error" && unfit.has(id));
    if (hopeless !== undefined) onUnfit?.(hopeless);
    // Somebody who is away may be back in a moment, and what degrades be mended.
    const soon = found.length < findings.length || degraded.length > 0;
    const nextMs = soon ? Math.min(everyMs, 5_000) : everyMs;
    timer = setTimeout(() => void look(lasting), nextMs);
    timer.unref();
  }
  void look([...once, ...lasting]);

  return {
    degraded: () => degraded,
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

function tell(log: Log, { id, level, title, detail, remedy }: Finding): void {
  const line = level === "error" ? log.error : log.warn;
  line({ finding: id, remedy }, detail === "" ? title : `${title}: ${detail}`);
}
