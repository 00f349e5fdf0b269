import { ConfigError } from "@tl-engine/shared/config/config-error.ts";
import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { startApi } from "./start-api.ts";

// `npm run api`: one API process. Any number of them may run side by side.
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
  let stopping = false;
  api.started.then(
    () => log.info({}, "ready"),
    (error: unknown) => {
      if (!stopping) crash(error);
    },
  );

  const stop = (reason: string): void => {
    // Asked a second time: somebody is in a hurry.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ reason }, "stopping");
    api.stop().then(
      () => process.exit(0),
      (error: unknown) => crash(error),
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  stopWithParent(() => {
    if (!stopping) stop("the supervisor ended");
  });
} catch (error) {
  process.exitCode = 1;
  if (error instanceof ConfigError) console.error(error.message);
  else throw error;
}
