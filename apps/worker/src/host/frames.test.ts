import { expect, test } from "vitest";
import { BrokenFrameError, createFrameReader, toFrame } from "./frames.ts";

const values = [[{ kind: "ping" }], "", "x".repeat(100_000), [undefined, "\ud800", "\0é😀"], null];

test.each([1, 3, 4, 7, 65_536, 1_000_000])("frames come out of pieces of %i bytes", (size) => {
  const bytes = Buffer.concat(values.map(toFrame));
  const heard: unknown[] = [];
  const read = createFrameReader((value) => heard.push(value));
  for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size));
  expect(heard).toEqual(values);
});

test("what is no frame is told from one that is not there yet", () => {
  const read = createFrameReader(() => expect.unreachable());
  read(toFrame("x".repeat(100)).subarray(0, 50));
  expect(() => createFrameReader(() => {})(Buffer.alloc(64, 0xff))).toThrow(BrokenFrameError);
  const wrong = toFrame("x");
  wrong.fill(0xee, 4);
  expect(() => createFrameReader(() => {})(wrong)).toThrow(BrokenFrameError);
});
