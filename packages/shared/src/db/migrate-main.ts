import { loadConfig } from "../config/config.ts";
import { createLog } from "../log/log.ts";
import { migrate } from "./migrate.ts";

// `npm run migrate`: brings the database of DATABASE_URL to the newest schema.
const config = loadConfig(process.env);
const log = createLog({ level: config.logLevel, app: "migrate" });
if (config.databaseUrl === null) {
  log.error({}, "DATABASE_URL is not set; say which database to migrate");
  process.exitCode = 1;
} else {
  const applied = await migrate(config.databaseUrl);
  log.info({ count: applied.length }, `migrations applied: ${applied.join(", ") || "none"}`);
}
