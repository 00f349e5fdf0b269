/** A body outgrew the cap of its call. */
export class BodyTooLarge extends Error {
  override name = "BodyTooLarge";

  constructor(cap: number) {
    super(`the body is larger than ${cap} bytes`);
  }
}

/** Collects a body of unknown length up to a cap. */
export interface ResponseBytes {
  /** Adds a copy of the chunk; false when the cap would be exceeded, and then nothing is added. */
  add(chunk: Uint8Array): boolean;
  /** What was collected. */
  take(): Uint8Array;
}

/**
 * One buffer that doubles, rather than a list of chunks: a hostile server can send a chunk for each
 * byte, and every chunk kept costs a hundred bytes and holds the whole network buffer that it is a
 * part of.
 */
export function collectBytes(cap: number): ResponseBytes {
  let buffer = new Uint8Array(0);
  let length = 0;
  return {
    add(chunk) {
      const needed = length + chunk.length;
      if (needed > cap) return false;
      if (needed > buffer.length) {
        const grown = new Uint8Array(Math.min(cap, Math.max(needed, buffer.length * 2)));
        grown.set(buffer.subarray(0, length));
        buffer = grown;
      }
      buffer.set(chunk, length);
      length = needed;
      return true;
    },
    take: () => buffer.subarray(0, length),
  };
}
