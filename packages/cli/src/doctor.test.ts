import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { startEmbeddedPostgres } from "@tl-engine/local/embedded-postgres.ts";
import { migrate } from "@tl-engine/shared/db/migrate.ts";
import type { Finding } from "@tl-engine/shared/doctor/finding.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeRunFolder } from "../../../test/left-behind.ts";
import { freshDatabase, hasRedis, startPrivateRedis } from "../../../test/services.ts";

const main = join(import.meta.dirname, "main.ts");
const cleanUps: (() => unknown)[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tl-doctor-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function doctor(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [main, "doctor", ...args], {
    env: { PATH: process.env["PATH"], TL_DATA_DIR: folder, ...env },
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

async function found(env: Record<string, string>) {
  const { code, stdout } = await doctor(env, "--json");
  const answer = JSON.parse(stdout) as { status: string; reached: boolean; findings: Finding[] };
  const level = (id: string) => answer.findings.find((finding) => finding.id === id)?.level ?? null;
  return { code, ...answer, level };
}

const redisPassword = "a-password-of-redis-1";

test.skipIf(!hasRedis())(
  "a deployment with wrong settings: worst first, each with what mends it, no secret",
  async () => {
    const redis = await startPrivateRedis({
      args: [
        "--maxmemory",
        "64mb",
        "--maxmemory-policy",
        "allkeys-lru",
        "--requirepass",
        redisPassword,
      ],
    });
    cleanUps.push(() => redis.kill());
    const database = await freshDatabase();
    cleanUps.push(() => database.drop());
    const key = randomBytes(32).toString("hex");
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url.replace("redis://", `redis://:${redisPassword}@`),
      TL_PLANE_API_KEY: key,
      TL_JWT_SECRET: key,
      TL_CORS_ORIGINS: "*",
      TL_OUTBOUND_ALLOW: "0.0.0.0/0",
      TL_SECRET_KEY: "changeme-with-openssl-rand-base64-32",
      TL_URL: "http://127.0.0.1:1",
    };
    const { code, status, findings, level } = await found(env);
    expect([code, status]).toEqual([1, "error"]);
    expect(level("redis.eviction")).toBe("error");
    expect(level("redis.aof")).toBe("warning");
    expect(level("secrets.same")).toBe("error");
    expect(level("network.cors")).toBe("warning");
    expect(level("network.outbound")).toBe("error");
    expect(level("config.wrong")).toBe("error");
    expect(level("api.reachable")).toBe("error");
    expect(level("postgres.migrations")).toBe("ok");
    expect(level("work.processes")).toBe("error");
    const ranks = findings.map((finding) => ["error", "warning", "ok"].indexOf(finding.level));
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    for (const finding of findings) {
      if (finding.level !== "ok") expect(finding.remedy).toBeTruthy();
    }

    const { code: again, stdout, stderr } = await doctor(env);
    expect([again, stderr]).toEqual([1, ""]);
    expect(stdout).toMatch(
      /^ {2}error {4}Redis may throw jobs away: maxmemory-policy is allkeys-lru\n.*\n +redis-cli -u "\$REDIS_URL" config set maxmemory-policy noeviction$/m,
    );
    expect(stdout).toMatch(/\d+ errors, \d+ warnings, \d+ ok\n$/);
    const said = stdout + JSON.stringify(findings);
    for (const secret of [key, redisPassword, new URL(database.url).password, "changeme-with"]) {
      expect(said).not.toContain(secret);
    }
  },
);

test("nothing there: 3; something there that lacks its schema: 1", async () => {
  const away = await found({
    DATABASE_URL: "postgres://u:p@127.0.0.1:1/x",
    REDIS_URL: "redis://127.0.0.1:1",
  });
  expect([away.code, away.reached]).toEqual([3, false]);
  expect((await found({})).code).toBe(3);
});

test("without DATABASE_URL it looks at the PostgreSQL that runs in the data folder", async () => {
  const data = makeRunFolder();
  const postgres = await startEmbeddedPostgres({ dataDir: data, fast: true });
  cleanUps.push(async () => {
    await postgres.stop();
    rmSync(data, { recursive: true, force: true });
  });
  const before = await found({ TL_DATA_DIR: data });
  expect([
    before.code,
    before.level("postgres.reachable"),
    before.level("postgres.migrations"),
  ]).toEqual([1, "ok", "error"]);
  await migrate(postgres.connectionString());
  const after = await found({ TL_DATA_DIR: data, HOST: "0.0.0.0" });
  expect(after.level("postgres.migrations")).toBe("ok");
  // The keys are those that the data folder made.
  expect(after.level("network.listen")).toBe("warning");
  expect(after.level("config.missing")).toBe(null);
  const { stdout } = await doctor({ TL_DATA_DIR: data });
  const secrets = JSON.parse(readFileSync(join(data, "secrets.json"), "utf8")) as Record<
    string,
    unknown
  >;
  for (const secret of Object.values(secrets)) {
    if (typeof secret === "string") expect(stdout).not.toContain(secret);
  }
});
