import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import { startPrivatePostgres } from "../../test/private-postgres.ts";
import { startRedisServer } from "../../test/redis-server.ts";
import { startDeployment } from "../support/deployment.ts";
import { fuzz } from "./fuzz.ts";
import { showReport } from "./show-report.ts";
import { fuzzDeployment } from "./world.ts";

const usage = `Sends requests of every kind to a deployment of its own, and judges each answer.

  npm run test:fuzz -- [--requests 20000] [--seed N] [--only "POST /api/v1/keys"]… [--backend redis|postgres]
`;

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    only: { type: "string", multiple: true, default: [] },
    backend: { type: "string", default: "redis" },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const requests = Number(values.requests);
  const seed = Number(values.seed);
  if (values.help || !(requests > 0) || !Number.isInteger(seed)) {
    console.log(usage);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  console.log(`seed ${seed}, ${requests} requests, the queue on ${values.backend}`);
  const postgres = await startPrivatePostgres();
  const redis = values.backend === "postgres" ? null : await startRedisServer();
  try {
    await migrate(postgres.url);
    const deployment = await startDeployment({
      databaseUrl: postgres.url,
      redisUrl: redis?.url ?? null,
      apis: 1,
      workers: 1,
      ...fuzzDeployment,
    });
    try {
      const { only } = values;
      const say = (text: string): void => console.log(text);
      const since = performance.now();
      const report = await fuzz({
        deployment,
        databaseUrl: postgres.url,
        requests,
        seed,
        only,
        say,
      });
      console.log(showReport(report, seed, performance.now() - since));
      if (report.findings.length + report.troubles.length > 0) process.exitCode = 1;
    } finally {
      await deployment.stop();
    }
  } finally {
    await redis?.kill();
    await postgres.remove();
  }
}

await main();
