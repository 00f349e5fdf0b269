import { expect, it } from "vitest";

import { CallEnd } from "./call-end.ts";
import { Deadlines } from "./deadlines.ts";

const deadlines = () => new Deadlines();

const ended = (end: CallEnd) =>
  new Promise<unknown>((resolve) => {
    end.listen(resolve);
  });

it("ends by its time, by the last one that was set", async () => {
  const end = new CallEnd(new AbortController().signal, deadlines());
  end.within(5, "first");
  end.within(30, "later");
  await expect(ended(end)).resolves.toBe("later");
  expect(end.over).toBe(true);

  const sooner = new CallEnd(new AbortController().signal, deadlines());
  sooner.within(60_000, "first");
  sooner.within(1, "sooner");
  await expect(ended(sooner)).resolves.toBe("sooner");
  sooner.within(1, "too late");
  expect(sooner.reason).toBe("sooner");
});

it("has no end without a time, whatever was set before", async () => {
  const end = new CallEnd(new AbortController().signal, deadlines());
  end.within(5, "first");
  end.within(Number.POSITIVE_INFINITY, "never");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(end.over).toBe(false);
  end.stop();
});

it("ends with the signal around it, and says so once, to its signal too", async () => {
  const controller = new AbortController();
  const end = new CallEnd(controller.signal, deadlines());
  const { signal } = end;
  const asked = end.race(new Promise(() => {}));
  controller.abort("canceled");
  await expect(asked).rejects.toBe("canceled");
  expect(signal.reason).toBe("canceled");
  expect(new CallEnd(new AbortController().signal, deadlines()).signal.aborted).toBe(false);
  await expect(end.race(Promise.resolve(1))).rejects.toBe("canceled");
  expect(() => new CallEnd(controller.signal, deadlines())).toThrow("canceled");
});

it("lets go when it is stopped", () => {
  const controller = new AbortController();
  const end = new CallEnd(controller.signal, deadlines());
  end.within(1, "time");
  end.stop();
  controller.abort("canceled");
  expect(end.over).toBe(false);
});

it("shares a timer with others, each of whom ends by its own time", async () => {
  const shared = new Deadlines();
  const order: string[] = [];
  const ends = ["c", "a", "b", "never"].map((name) => {
    const end = new CallEnd(new AbortController().signal, shared);
    end.within({ a: 5, b: 15, c: 30, never: 60_000 }[name] ?? 0, name);
    return { end, over: ended(end).then((reason) => order.push(String(reason))) };
  });
  await Promise.all(ends.slice(0, 3).map(({ over }) => over));
  expect(order).toEqual(["a", "b", "c"]);
  expect(ends[3]?.end.over).toBe(false);
});
