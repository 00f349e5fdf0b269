import { flushCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { ConfigError } from "@tl-engine/shared/config/config-error.ts";
import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { startApi } from "./start-api.ts";

// One API process. Any number of them may run side by side.
try {
  const config = loadApiConfig(process.env);
  const log = createLog({ level: config.logLevel, app: "api" });
  const crash = (error: unknown): void => {
    log.fatal({ err: error }, "the process cannot go on");
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  const api = await startApi({ config, log });
  log.info({ port: api.port, address: `http://${config.host}:${api.port}` }, "listening");
  log.info({ port: api.metricsPort }, "metrics");
  let stoppingSince: number | null = null;
  api.started.then(
    () => {
      log.info({}, "ready");
      flushCompileCache();
      // From here on as V8 has it by default: see main.ts.
      setFlagsFromString("--semi-space-growth-factor=2");
    },
    (error: unknown) => {
      if (stoppingSince === null) crash(error);
    },
  );

  const stop = (reason: string): void => {
    if (stoppingSince !== null) {
      // The terminal and a supervisor both pass on one Ctrl-C: only a later one says hurry.
      if (performance.now() - stoppingSince > 1_000) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    log.info({ reason }, "stopping");
    api.stop().then(
      () => process.exit(0),
      (error: unknown) => crash(error),
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  stopWithParent(() => {
    if (stoppingSince === null) stop("the supervisor ended");
  });
} catch (error) {
  process.exitCode = 1;
  if (error instanceof ConfigError) console.error(error.message);
  else throw error;
}
