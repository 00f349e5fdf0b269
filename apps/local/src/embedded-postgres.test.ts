import { mkdtempSync, rmSync, statSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
import { isPostgres } from "./postmaster-file.ts";

describe("embedded PostgreSQL", () => {
  let dataDir: string;
  let server: EmbeddedPostgres;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "tl-engine data '$x "));
    server = await startEmbeddedPostgres({ dataDir });
    await query(server.connectionString(), "CREATE TABLE kept (word text)");
    await query(server.connectionString(), "INSERT INTO kept VALUES ('committed')");
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test("is PostgreSQL 18 with durable settings, room for 200 sessions and UTF-8", async () => {
    const url = server.connectionString();
    expect(await query(url, "SHOW server_version")).toMatch(/^18\./);
    expect(await query(url, "SHOW fsync")).toBe("on");
    expect(await query(url, "SHOW synchronous_commit")).toBe("on");
    expect(await query(url, "SHOW full_page_writes")).toBe("on");
    expect(await query(url, "SHOW max_connections")).toBe("200");
    expect(await query(url, "SHOW server_encoding")).toBe("UTF8");
    expect(await query(url, "SELECT lower('ÄÖ')")).toBe("äö");
  });

  test("listens on loopback only and asks for the password", async () => {
    expect(await query(server.connectionString(), "SHOW listen_addresses")).toBe("127.0.0.1");
    const wrong = server.connectionString().replace(/:[^:@]+@/, ":wrong@");
    await expect(query(wrong, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    expect(statSync(join(dataDir, "secrets.json")).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  test("a server left running by its parent is used as it is", async () => {
    const again = await startEmbeddedPostgres({ dataDir });
    expect(again.pid).toBe(server.pid);
    expect(again.connectionString()).toBe(server.connectionString());
  });

  test("after kill -9 of the server the next start recovers what was committed, on the wished port", async () => {
    process.kill(server.pid, "SIGKILL");
    const recovered = await startEmbeddedPostgres({ dataDir, port: server.port });
    expect(recovered.pid).not.toBe(server.pid);
    expect(recovered.port).toBe(server.port);
    expect(await query(recovered.connectionString(), "SELECT word FROM kept")).toBe("committed");
    server = recovered;
  });

  test("a stop ends the process, a second stop is nothing, and the next start finds the data", async () => {
    await server.stop();
    await server.stop();
    expect(isPostgres(server.pid)).toBe(false);

    // Left behind by a kill, and the process id now belongs to somebody else: this process.
    writeFileSync(
      join(dataDir, "postgres", "postmaster.pid"),
      `${process.pid}\n/x\n1\n${server.port}\n`,
    );
    server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.connectionString(), "SELECT word FROM kept")).toBe("committed");
  });

  test("a lost password is said in words, not waited for", async () => {
    const file = join(dataDir, "secrets.json");
    const kept = readFileSync(file, "utf8");
    rmSync(file);
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
      /refuses the password of secrets.json/,
    );
    writeFileSync(file, kept, { mode: 0o600 });
  });
});

async function query(connectionString: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const result = await client.query<Record<string, unknown>>(sql);
    return Object.values(result.rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}
