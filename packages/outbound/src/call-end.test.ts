import { expect, it } from "vitest";

import { CallEnd } from "./call-end.ts";

const ended = (end: CallEnd) =>
  new Promise<unknown>((resolve) => {
    end.listen(resolve);
  });

it("ends by its time, by the last one that was set", async () => {
  const end = new CallEnd(new AbortController().signal);
  end.within(5, "first");
  end.within(30, "later");
  await expect(ended(end)).resolves.toBe("later");
  expect(end.over).toBe(true);

  const sooner = new CallEnd(new AbortController().signal);
  sooner.within(60_000, "first");
  sooner.within(1, "sooner");
  await expect(ended(sooner)).resolves.toBe("sooner");
  sooner.within(1, "too late");
  expect(sooner.reason).toBe("sooner");
});

it("has no end without a time, whatever was set before", async () => {
  const end = new CallEnd(new AbortController().signal);
  end.within(5, "first");
  end.within(Number.POSITIVE_INFINITY, "never");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(end.over).toBe(false);
  end.stop();
});

it("ends with the signal around it, and says so once, to its signal too", async () => {
  const controller = new AbortController();
  const end = new CallEnd(controller.signal);
  const { signal } = end;
  const asked = end.race(new Promise(() => {}));
  controller.abort("canceled");
  await expect(asked).rejects.toBe("canceled");
  expect(signal.reason).toBe("canceled");
  expect(new CallEnd(new AbortController().signal).signal.aborted).toBe(false);
  await expect(end.race(Promise.resolve(1))).rejects.toBe("canceled");
  expect(() => new CallEnd(controller.signal)).toThrow("canceled");
});

it("lets go when it is stopped", () => {
  const controller = new AbortController();
  const end = new CallEnd(controller.signal);
  end.within(1, "time");
  end.stop();
  controller.abort("canceled");
  expect(end.over).toBe(false);
});
