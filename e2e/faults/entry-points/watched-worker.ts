import { parseArgs } from "node:util";
import { loadWorkerConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { startWorker } from "@tl-engine/worker";

// A worker process whose liveness is judged sooner than production's: `--limit` and `--every`, ms.
const { values } = parseArgs({ options: { limit: { type: "string" }, every: { type: "string" } } });
const config = loadWorkerConfig(process.env);
const log = createLog({ level: config.logLevel, app: "worker" });
const hurry = new AbortController();
const stop = (code: number): void =>
  void worker.stop(hurry.signal).finally(() => process.exit(code));
const worker = await startWorker({
  config,
  log,
  folder: process.cwd(),
  engineEnv: {},
  liveness: { limitMs: Number(values.limit), everyMs: Number(values.every) },
  onStuck(reason) {
    log.info({ reason }, "stopping");
    stop(1);
  },
});
log.info({ port: worker.metricsPort }, "metrics");
process.once("SIGTERM", () => stop(0));
stopWithParent(() => stop(0));
await worker.started;
