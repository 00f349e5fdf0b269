import { ConfigError } from "../config/config-error.ts";
import { loadWorkerConfig } from "../config/demand.ts";
import { createLog } from "../log/log.ts";
import { migrate } from "./migrate.ts";

// `npm run migrate`: brings the database of DATABASE_URL to the newest schema.
try {
  const { databaseUrl, logLevel } = loadWorkerConfig(process.env);
  const log = createLog({ level: logLevel, app: "migrate" });
  try {
    const applied = await migrate(databaseUrl, { onWait: (what) => log.warn({}, what) });
    log.info({ count: applied.length }, `migrations applied: ${applied.join(", ") || "none"}`);
  } catch (error) {
    log.fatal({ err: error }, "the database could not be migrated");
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
