import { startApi } from "@tl-engine/api/start-api.ts";
import { loadApiConfig } from "@tl-engine/shared/config/demand.ts";
import { createLog } from "@tl-engine/shared/log/log.ts";
import { stopWithParent } from "@tl-engine/shared/process/stop-with-parent.ts";
import { hooksFromArgs } from "./hook-from-args.ts";

// An API process that dies or stalls at the hook that its arguments name: hookArgs() writes them.
const config = loadApiConfig(process.env);
const log = createLog({ level: config.logLevel, app: "api" });
const api = await startApi({ config, log, hooks: hooksFromArgs(process.argv.slice(2)) });
log.info({ port: api.port }, "listening");
log.info({ port: api.metricsPort }, "metrics");
const stop = (): void => void api.stop().finally(() => process.exit(0));
process.once("SIGTERM", stop);
stopWithParent(stop);
await api.started;
log.info({}, "ready");
