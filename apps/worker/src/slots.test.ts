import { expect, test } from "vitest";
import { createSlots } from "./slots.ts";

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) === pending;
}

test("a handler gets its next delivery only when a place is free for it", async () => {
  const slots = createSlots(2);
  expect(await slots.enter()).toBe(true);
  await slots.hold();
  expect(await slots.enter()).toBe(true);
  const hold = slots.hold();
  expect(await isPending(hold)).toBe(true);
  slots.release(1);
  await hold;
  expect(slots.used).toBe(1);
  // The place that was held is the one that the next delivery gets.
  expect(await slots.enter()).toBe(true);
  expect(slots.used).toBe(2);
});

test("a list takes as many places as are free, those of idle fetchers too", async () => {
  const slots = createSlots(4);
  for (let i = 0; i < 4; i++) {
    expect(await slots.enter()).toBe(true);
    slots.release(1);
    await slots.hold();
  }
  expect(await slots.enter()).toBe(true);
  expect(slots.takeMore(10)).toBe(3);
  expect(slots.takeMore(10)).toBe(0);
  const late = slots.enter();
  expect(await isPending(late)).toBe(true);
  slots.release(4);
  expect(await late).toBe(true);
  expect(slots.used).toBe(1);
});

test("closing lets everybody go", async () => {
  const slots = createSlots(1);
  await slots.enter();
  const hold = slots.hold();
  const enter = slots.enter();
  slots.close();
  await hold;
  expect(await enter).toBe(false);
  expect(await slots.enter()).toBe(false);
  expect(slots.takeMore(1)).toBe(0);
  await slots.hold();
});
