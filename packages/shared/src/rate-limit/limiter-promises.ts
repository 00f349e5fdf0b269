import { expect, test } from "vitest";
import { counterName, type RateLimiter } from "./rate-limiter.ts";

export interface Backend {
  /** A limiter as another process would have it, on the same counters. */
  open(windowSeconds: number): RateLimiter;
  /** Milliseconds until the counter ends; null where there is none. Fails where it never ends. */
  leftMs(name: string): Promise<number | null>;
  used(name: string): Promise<number>;
  /** Ends the counter's window now, as time would. */
  endWindow(name: string): Promise<void>;
}

/** What every shared limiter promises; run over each backend. */
export function testLimiterPromises(backend: () => Backend): void {
  const caller = (name: string) => `key:${name}`;

  test("5,000 at once over two processes: exactly 1,000 pass, each with a number of its own", async () => {
    const limiters = [backend().open(3600), backend().open(3600)] as const;
    const decisions = await Promise.all(
      Array.from({ length: 5000 }, (_, at) =>
        limiters[at % 2 === 0 ? 0 : 1].take(caller("many"), "requests", 1000),
      ),
    );
    const passed = decisions.filter((decision) => decision.allowed);
    const numbers = passed.map((decision) => decision.remaining).sort((a, b) => b - a);
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, at) => 999 - at));
    const refused = decisions.filter((decision) => !decision.allowed);
    expect(refused).toHaveLength(4000);
    for (const { remaining, retryAfterSeconds } of refused) {
      expect(remaining).toBe(0);
      expect(retryAfterSeconds).toBeGreaterThan(0);
      expect(retryAfterSeconds).toBeLessThanOrEqual(3600);
    }
    expect(new Set(decisions.map((decision) => decision.resetAt)).size).toBe(1);
    const left = await backend().leftMs(counterName(caller("many"), "requests"));
    expect(left).toBeGreaterThan(3_500_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
    expect(await backend().used(counterName(caller("many"), "requests"))).toBe(1000);
    await Promise.all(limiters.map((limiter) => limiter.close()));
  });

  test("many callers at once are counted apart, and their budgets too", async () => {
    const limiter = backend().open(60);
    const callers = Array.from({ length: 700 }, (_, at) => caller(`one-of-many-${at}`));
    const decisions = await Promise.all(
      callers.flatMap((id) => [
        limiter.take(id, "requests", 5),
        limiter.take(id, "reads", 50),
        limiter.take(id, "requests", 5),
      ]),
    );
    expect(decisions.map((decision) => decision.remaining)).toEqual(
      callers.flatMap(() => [4, 49, 3]),
    );
    await limiter.close();
  });

  test("a window runs from the first request, and the next one starts with a full budget", async () => {
    const limiter = backend().open(10);
    const name = counterName(caller("edge"), "requests");
    const first = await limiter.take(caller("edge"), "requests", 2);
    await limiter.take(caller("edge"), "requests", 2);
    const refused = await limiter.take(caller("edge"), "requests", 2);
    expect([first.remaining, refused.allowed, refused.resetAt]).toEqual([1, false, first.resetAt]);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(10);
    await backend().endWindow(name);
    const next = await limiter.take(caller("edge"), "requests", 2);
    expect(next).toMatchObject({ allowed: true, remaining: 1 });
    expect(await backend().leftMs(name)).toBeGreaterThan(9000);
    await limiter.close();
  });

  test("a refused request takes nothing and renews nothing", async () => {
    const limiter = backend().open(60);
    const name = counterName(caller("batch"), "requests");
    expect(await limiter.take(caller("batch"), "requests", 10)).toMatchObject({ remaining: 9 });
    const whole = await limiter.take(caller("batch"), "requests", 10, 10);
    expect(whole).toMatchObject({ allowed: false, remaining: 9 });
    const fits = await limiter.take(caller("batch"), "requests", 10, 9);
    expect(fits).toMatchObject({ allowed: true, remaining: 0 });
    expect(await backend().used(name)).toBe(10);
    const never = await limiter.take(caller("never"), "requests", 10, 11);
    expect(never).toMatchObject({ allowed: false, remaining: 10 });
    await limiter.close();
  });

  test("a changed limit counts at once, in both directions", async () => {
    const limiter = backend().open(60);
    await limiter.take(caller("changed"), "requests", 10, 6);
    const less = await limiter.take(caller("changed"), "requests", 5);
    expect(less).toMatchObject({ allowed: false, limit: 5, remaining: 0 });
    const more = await limiter.take(caller("changed"), "requests", 20);
    expect(more).toMatchObject({ allowed: true, remaining: 13 });
    const both = await Promise.all([
      limiter.take(caller("changed"), "requests", 20),
      limiter.take(caller("changed"), "requests", 30),
      limiter.take(caller("changed"), "requests", 30, 2),
    ]);
    expect(both.map((decision) => decision.remaining)).toEqual([12, 21, 19]);
    await limiter.close();
  });

  test("a window that was longer is cut to the one that is configured now", async () => {
    const before = backend().open(3600);
    await before.take(caller("shorter"), "requests", 10);
    const after = backend().open(10);
    const decision = await after.take(caller("shorter"), "requests", 10);
    expect(decision.remaining).toBe(8);
    expect(decision.retryAfterSeconds).toBeLessThanOrEqual(10);
    await Promise.all([before.close(), after.close()]);
  });
}
