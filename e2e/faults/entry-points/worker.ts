import { loadWorkerConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { startWorker } from "@tl-engine/worker";
import { hooksFromArgs } from "./hook-from-args.ts";

// A worker process that dies or stalls at the hook that its arguments name: hookArgs() writes them.
const config = loadWorkerConfig(process.env);
const log = createLog({ level: config.logLevel, app: "worker" });
const worker = await startWorker({
  config,
  log,
  folder: process.cwd(),
  engineEnv: {},
  onStuck: () => process.exit(1),
  hooks: hooksFromArgs(process.argv.slice(2)),
});
log.info({ port: worker.metricsPort }, "metrics");
const hurry = new AbortController();
const stop = (): void => void worker.stop(hurry.signal).finally(() => process.exit(0));
process.once("SIGTERM", stop);
stopWithParent(stop);
await worker.started;
