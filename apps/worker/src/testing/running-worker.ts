import { fileURLToPath } from "node:url";
import { loadWorkerConfig } from "@tl-engine/shared/config/demand.ts";
import type { FaultHooks } from "@tl-engine/shared/executions/hooks.ts";
import type { Log } from "@tl-engine/shared/log/log.ts";
import { silentLog } from "@tl-engine/shared/log/log.ts";
import type { LivenessTimes } from "../liveness.ts";
import { startWorker, type RunningWorker } from "../start-worker.ts";

/** This app's own test engines, for TL_ENGINES. */
export const testEngines = ["waiting", "hurting", "answering"]
  .map((name) => fileURLToPath(new URL(`./engines/${name}.ts`, import.meta.url)))
  .join(",");

/** Every id among them. */
const ids = [
  "test.sleep,test.deaf,test.polite,test.talk",
  "test.spin.inline,test.spin.thread,test.spin.process,test.crash.inline,test.crash.thread,test.crash.process",
  "test.leak.inline,test.leak.thread,test.leak.process,test.die,test.poison",
  "test.bad-output,test.throw,test.flaky,test.twice",
].join(",");

export interface TestWorkerOptions {
  databaseUrl: string;
  redisUrl: string | null;
  env?: Record<string, string>;
  hooks?: FaultHooks;
  log?: Log;
  liveness?: LivenessTimes;
  onStuck?: (reason: string) => void;
}

/** A whole worker in this process, with the test engines; short grace and lease. */
export function startTestWorker({
  databaseUrl,
  redisUrl,
  env = {},
  hooks,
  log = silentLog,
  liveness = {},
  onStuck = (reason) => log.error({ reason }, "stuck"),
}: TestWorkerOptions): Promise<RunningWorker> {
  return startWorker({
    config: loadWorkerConfig({
      DATABASE_URL: databaseUrl,
      ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
      TL_ENGINES: testEngines,
      TL_WORKER_ENGINES: ids,
      TL_METRICS_PORT: "0",
      TL_GRACE_SECONDS: "1",
      TL_DRAIN_SECONDS: "1",
      TL_RECONCILE_INTERVAL_MS: "100",
      TL_THREADS: "2",
      ...env,
    }),
    log,
    folder: process.cwd(),
    engineEnv: {},
    onStuck,
    onUnfit: (reason) => log.error({ reason }, "unfit"),
    liveness,
    ...(hooks === undefined ? {} : { hooks }),
  });
}
