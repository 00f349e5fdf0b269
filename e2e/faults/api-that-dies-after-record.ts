import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { startApi } from "@tl-engine/api/start-api.ts";

// An API process that is killed at the worst moment: the execution is committed, and neither enqueued nor answered.
const config = loadApiConfig(process.env);
const log = createLog({ level: config.logLevel, app: "api" });
const api = await startApi({
  config,
  log,
  hooks: {
    async afterRecord() {
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => undefined);
    },
  },
});
log.info({ port: api.port }, "listening");
log.info({ port: api.metricsPort }, "metrics");
await api.started;
log.info({}, "ready");
