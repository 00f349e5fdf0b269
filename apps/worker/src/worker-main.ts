import { flushCompileCache, getCompileCacheDir } from "node:module";
import { setFlagsFromString } from "node:v8";
import { ConfigError } from "@tl-engine/shared/config/config-error.ts";
import { loadWorkerConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { MetricsPortTakenError } from "@tl-engine/shared/metrics/serve-metrics.ts";
import { cannotStart } from "@tl-engine/shared/process/exit-codes.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { engineEnv } from "./engine-env.ts";
import { EngineLoadError } from "./host/describe-engines.ts";
import { StartError } from "./start-error.ts";
import { startWorker } from "./start-worker.ts";

// One worker process. Any number of them may run side by side.
const hurry = new AbortController();
/** Threads and processes of ours find the compile cache by this. Node's own name for it has one folder more. */
const cache = getCompileCacheDir()?.replace(/[\\/][^\\/]*$/, "");
let stoppingSince: number | null = null;

try {
  const config = loadWorkerConfig(process.env);
  const log = createLog({ level: config.logLevel, app: "worker" });
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, "the process cannot go on");
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  const worker = await startWorker({
    config,
    log,
    folder: process.cwd(),
    engineEnv: {
      ...engineEnv(process.env),
      ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }),
    },
    onStuck: (reason) => stop(reason, 1),
    onUnfit: (reason) => stop(reason, cannotStart),
    replaceEngines: process.argv.includes("--replace-engines"),
  });
  log.info({ port: worker.metricsPort }, "metrics");

  const stop = (reason: string, exitCode = 0): void => {
    if (stoppingSince !== null) {
      // The terminal and a supervisor both pass on one Ctrl-C: only a later one says hurry.
      if (performance.now() - stoppingSince > 1_000) hurry.abort();
      return;
    }
    stoppingSince = performance.now();
    log.info({ reason, drain_ms: config.drainMs }, "stopping");
    worker.stop(hurry.signal).then(
      () => process.exit(exitCode),
      (error: unknown) => crash(error),
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  stopWithParent(() => {
    if (stoppingSince === null) stop("the supervisor ended");
  });

  const loaded = worker.started.then(() => {
    flushCompileCache();
    // From here on as V8 has it by default: see main.ts.
    setFlagsFromString("--semi-space-growth-factor=2");
  });
  await loaded.catch((error: unknown) => {
    if (stoppingSince !== null) return;
    if (!isExplained(error)) throw error;
    // For whoever collects the log, and for whoever sits at the terminal.
    log.fatal({ reason: error.message }, "the worker cannot start");
    console.error(error.message);
    process.exit(cannotStart);
  });
} catch (error) {
  if (!isExplained(error)) throw error;
  console.error(error.message);
  process.exitCode = cannotStart;
}

/** Errors that are no defect: the message alone says what to do. */
function isExplained(error: unknown): error is Error {
  return [ConfigError, EngineLoadError, MetricsPortTakenError, StartError].some(
    (known) => error instanceof known,
  );
}
