/** A body outgrew the cap of its call. */
export class BodyTooLarge extends Error {
  override name = "BodyTooLarge";

  constructor(cap: number) {
    super(`the body is larger than ${cap} bytes`);
  }
}

/** Collects a body of unknown length up to a cap. */
export interface ResponseBytes {
  /** Adds a chunk; false when the cap would be exceeded, and then nothing is added. */
  add(chunk: Uint8Array): boolean;
  /** What was collected; maybe a part of a larger buffer with other parts of the answer. */
  take(): Uint8Array;
}

const NOTHING = new Uint8Array(0);

/**
 * One buffer that doubles, rather than a list of chunks: a hostile server can send a chunk for each
 * byte, and every chunk kept costs a hundred bytes and holds the whole network buffer that it is a
 * part of. A body that comes in one chunk, as most do, stays where it is, if it fills most of that buffer.
 */
export function collectBytes(cap: number): ResponseBytes {
  return new Collected(cap);
}

class Collected implements ResponseBytes {
  readonly #cap: number;
  #only: Uint8Array | null = null;
  #buffer = NOTHING;
  #length = 0;

  constructor(cap: number) {
    this.#cap = cap;
  }

  add(chunk: Uint8Array): boolean {
    const needed = this.#length + chunk.length;
    if (needed > this.#cap) return false;
    if (this.#length === 0 && chunk.length * 2 >= chunk.buffer.byteLength) {
      this.#only = chunk;
    } else {
      if (this.#only !== null) {
        this.#append(this.#only, 0, needed);
        this.#only = null;
      }
      this.#append(chunk, this.#length, needed);
    }
    this.#length = needed;
    return true;
  }

  take(): Uint8Array {
    return this.#only ?? this.#buffer.subarray(0, this.#length);
  }

  #append(chunk: Uint8Array, at: number, needed: number): void {
    if (needed > this.#buffer.length) {
      const size = Math.min(this.#cap, Math.max(needed, this.#buffer.length * 2));
      const grown = new Uint8Array(size);
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, at);
  }
}
