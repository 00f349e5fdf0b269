import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { loadConfig } from "./config.ts";
import { loadApiConfig, loadWorkerConfig } from "./demand.ts";

const planeKey = "5f0c1d7b9a8e4f6032d1c4b7a9e8f605";
const otherKey = createHash("sha256").update("another").digest();

function problemsOf(load: () => unknown): readonly string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  test("has a default for everything", () => {
    expect(loadConfig({})).toMatchObject({
      port: 3000,
      host: "127.0.0.1",
      databaseUrl: null,
      redisUrl: null,
      dataDir: ".data",
      planeApiKeys: [],
      planeRateLimit: 100_000,
      jwt: null,
      jwtIssuer: "tl-engine",
      jwtAudience: "tl-engine",
      corsOrigins: [],
      rateLimit: 1000,
      readRateLimit: 10_000,
      rateWindowSeconds: 3600,
      maxBodyBytes: 1_048_576,
      maxOutputBytes: 8_388_608,
      engines: [],
      workerEngines: null,
      workerConcurrency: 10,
      leaseMs: 15_000,
      graceMs: 5_000,
      drainMs: 30_000,
      reconcileIntervalMs: 1000,
      outboundAllow: "",
      retentionMs: 7 * 86_400_000,
      tombstoneRetentionMs: 90 * 86_400_000,
      metricsPort: null,
      logLevel: "info",
    });
  });

  test("takes an empty variable for an unset one, as compose files pass them on", () => {
    expect(loadConfig({ PORT: "", REDIS_URL: " ", TL_PLANE_API_KEY: "" })).toEqual(loadConfig({}));
  });

  test("reads values, lists and durations", () => {
    const config = loadConfig({
      PORT: "0",
      TL_RATE_LIMIT: "5",
      TL_ENGINES: "./my-engine.ts, @acme/engines ,",
      TL_WORKER_ENGINES: "echo,resize",
      TL_LEASE_SECONDS: "1.5",
      TL_RETENTION: "36h",
      TL_PLANE_API_KEY: `${planeKey}, ${planeKey}x`,
      TL_CORS_ORIGINS: "https://app.example.com,http://localhost:5173",
      TL_SECRET_KEY: `${Buffer.from(planeKey).toString("hex")}, ${otherKey.toString("base64url")}`,
      TL_JWT_JWKS_URL: "https://id.example.com/jwks",
    });
    expect(config).toMatchObject({
      port: 0,
      rateLimit: 5,
      readRateLimit: 50,
      engines: ["./my-engine.ts", "@acme/engines"],
      workerEngines: ["echo", "resize"],
      leaseMs: 1500,
      retentionMs: 129_600_000,
      planeApiKeys: [planeKey, `${planeKey}x`],
      corsOrigins: ["https://app.example.com", "http://localhost:5173"],
      secretKeys: [Buffer.from(planeKey).toString("base64"), otherKey.toString("base64")],
      jwt: { kind: "jwks", url: "https://id.example.com/jwks" },
    });
  });

  test("names every wrong variable in one go, and repeats no secret", () => {
    const problems = problemsOf(() =>
      loadConfig({
        PORT: "x",
        DATABASE_URL: "mysql://user:hunter2@host/db",
        TL_PLANE_API_KEY: "short-hunter2",
        TL_JWT_SECRET: "hunter2",
        TL_SECRET_KEY: "hunter2",
        TL_CORS_ORIGINS: "app.example.com",
        TL_RETENTION: "7 days",
        LOG_LEVEL: "loud",
      }),
    );
    const names = problems.map((problem) => problem.split(" ")[0]);
    expect(new Set(names)).toEqual(
      new Set([
        "PORT",
        "DATABASE_URL",
        "TL_PLANE_API_KEY",
        "TL_JWT_SECRET",
        "TL_SECRET_KEY",
        "TL_CORS_ORIGINS",
        "TL_RETENTION",
        "LOG_LEVEL",
      ]),
    );
    expect(problems.join()).not.toContain("hunter2");
  });

  test.each([
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "3000.5"],
    ["PORT", "1e3"],
    ["TL_RATE_LIMIT", "0"],
    ["TL_RATE_WINDOW_SECONDS", "0"],
    ["REDIS_URL", "127.0.0.1:6379"],
    ["TL_PLANE_API_KEY", "a".repeat(40)],
    ["TL_PLANE_API_KEY", "changeme-changeme-changeme-changeme-1234"],
    ["TL_PLANE_API_KEY", "CHANGE_ME_0123456789_abcdefghijklmnop"],
    ["TL_PLANE_API_KEY", "12345678123456781234567812345678"],
    ["TL_PLANE_API_KEY", `${planeKey},short`],
    ["TL_PLANE_API_KEY", `${planeKey},`],
    ["TL_PLANE_API_KEY", `${planeKey}a,${planeKey}b,${planeKey}c`],
    ["TL_PLANE_API_KEY", `${planeKey} with spaces`],
    ["TL_JWT_SECRET", "0".repeat(64)],
    ["TL_JWT_JWKS_URL", "http://id.example.com/jwks"],
    ["TL_JWT_JWKS_URL", "file:///etc/keys"],
    ["TL_SECRET_KEY", "00".repeat(32)],
    ["TL_SECRET_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"],
    ["TL_SECRET_KEY", "00112233445566778899aabbccddeeff"],
    ["TL_SECRET_KEY", `${otherKey.toString("base64")},`],
    ["TL_SECRET_KEY", [otherKey, otherKey, otherKey].map((key) => key.toString("base64")).join()],
    ["TL_CALL_RETENTION", "8d"],
    ["TL_CALL_RETENTION", "10s"],
    ["TL_CORS_ORIGINS", "https://app.example.com/"],
    ["TL_CORS_ORIGINS", "null"],
    ["TL_WORKER_ENGINES", "Echo"],
    ["TL_LEASE_SECONDS", "0"],
    ["TL_METRICS_PORT", "auto"],
    // A slip of the pen must not remove everything at once.
    ["TL_RETENTION", "0s"],
    ["TL_RETENTION", "7"],
    ["TL_RETENTION", "7s"],
    ["TL_RETENTION", "-7d"],
    ["TL_RETENTION", "999999999d"],
    ["TL_TOMBSTONE_RETENTION", "0d"],
    ["TL_TOMBSTONE_RETENTION", "23h"],
  ])("refuses %s=%s", (name, value) => {
    const problems = problemsOf(() => loadConfig({ [name]: value }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} (must|holds)`));
  });

  test("stops when tokens could be checked in two ways", () => {
    const problems = problemsOf(() =>
      loadConfig({ TL_JWT_SECRET: planeKey, TL_JWT_JWKS_URL: "https://id.example.com/jwks" }),
    );
    expect(problems).toEqual([expect.stringContaining("TL_JWT_SECRET and TL_JWT_JWKS_URL")]);
  });

  test("is not loosened by the name of an environment", () => {
    for (const NODE_ENV of ["test", "development", "production"]) {
      expect(problemsOf(() => loadConfig({ NODE_ENV, TL_PLANE_API_KEY: "dev" }))).toHaveLength(1);
      expect(problemsOf(() => loadApiConfig({ NODE_ENV }))).toHaveLength(2);
    }
  });
});

describe("what single processes demand", () => {
  test("the API names what is wrong and what is missing together", () => {
    const problems = problemsOf(() => loadApiConfig({ PORT: "x" }));
    expect(problems.map((problem) => problem.split(" ")[0])).toEqual([
      "PORT",
      "DATABASE_URL",
      "TL_PLANE_API_KEY",
    ]);
  });

  test("the worker needs the database alone", () => {
    expect(problemsOf(() => loadWorkerConfig({}))).toHaveLength(1);
    const config = loadWorkerConfig({ DATABASE_URL: "postgres://127.0.0.1/tl" });
    expect(config.databaseUrl).toBe("postgres://127.0.0.1/tl");
  });
});
