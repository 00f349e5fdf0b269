import { expect, test } from "vitest";
import { residentMib } from "./resident-memory.ts";

test.runIf(process.platform === "linux")("/proc and ps tell the same of this process", async () => {
  const kept = Buffer.alloc(64 << 20, 1);
  const byProc = await residentMib(process.pid, "linux");
  const byPs = await residentMib(process.pid, "darwin");
  expect(byProc).toBeGreaterThan(64);
  expect(Math.abs((byPs ?? 0) - (byProc ?? 0))).toBeLessThan(32);
  expect(kept).toHaveLength(64 << 20);
});

test.each(["linux", "darwin"] as const)(
  "a process that is gone has none (%s)",
  async (platform) => {
    expect(await residentMib(2 ** 22 + 1, platform)).toBeNull();
  },
);
