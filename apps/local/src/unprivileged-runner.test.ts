import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { unprivilegedRunner } from "./unprivileged-runner.ts";

/** Somebody else's, as PostgreSQL sees it. */
const whoAmI = ["sh", "-c", "id -u"] as const;

describe.runIf(process.getuid?.() === 0)("root", () => {
  let folder: string;
  const path = process.env["PATH"];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tl-engine-root-"));
  });
  afterEach(() => {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  });

  test("runs programs as somebody who is not root, and who owns what he is given", async () => {
    const runner = await unprivilegedRunner("/bin/true", folder);
    expect(await runner.run(whoAmI)).toEqual({ code: 0, output: "65534" });
    mkdirSync(join(folder, "own"), { mode: 0o700 });
    writeFileSync(join(folder, "own", "file"), "text", { mode: 0o600 });
    runner.own(join(folder, "own"));
    expect(await runner.run(["cat", join(folder, "own", "file")])).toEqual({
      code: 0,
      output: "text",
    });
  });

  test("without user namespaces it is nobody, for whom the folder is opened for passage alone", async () => {
    forbidNamespaces();
    const runner = await unprivilegedRunner("/bin/true", folder);
    expect(await runner.run(whoAmI)).toEqual({ code: 0, output: "65534" });
    expect(statSync(folder).mode & 0o777).toBe(0o711);
  });

  test("where neither way is open, it says why and what to do", async () => {
    forbidNamespaces();
    chmodSync(folder, 0o700);
    const below = join(folder, "below");
    mkdirSync(below);
    await expect(unprivilegedRunner("/bin/true", below)).rejects.toThrow(
      /not permitted here.*(can't|denied).*su <user>.*DATABASE_URL/,
    );
    expect(statSync(below).mode & 0o777).toBe(0o700);
  });

  /** An `unshare` that is found first and fails as in a container. */
  function forbidNamespaces(): void {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(
      join(bin, "unshare"),
      "#!/bin/sh\necho 'unshare: not permitted here' >&2\nexit 1\n",
      { mode: 0o755 },
    );
    process.env["PATH"] = `${bin}:${path}`;
  }
});
