import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const entry = fileURLToPath(import.meta.resolve("./migrate-main.ts"));

/** Runs the entry point with this environment alone. */
function migrateWith(env: Record<string, string>) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [entry], { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

test.for<[env: Record<string, string>, said: RegExp]>([
  [{}, /^The configuration is wrong: DATABASE_URL is not set.*\n$/],
  [{ DATABASE_URL: "mysql://db/x" }, /^The configuration is wrong: DATABASE_URL must be .*\n$/],
])("with %j it ends with a sentence, not a stack", async ([env, said]) => {
  const run = await migrateWith(env);
  expect(run).toMatchObject({ code: 1, stdout: "" });
  expect(run.stderr).toMatch(said);
});

test("a database that is not there is one line of the log", async () => {
  const run = await migrateWith({ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" });
  expect(run).toMatchObject({ code: 1, stderr: "" });
  expect(JSON.parse(run.stdout)).toMatchObject({
    level: "fatal",
    err: { code: "ECONNREFUSED" },
    msg: "the database could not be migrated",
  });
});
