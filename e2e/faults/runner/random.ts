/** A seeded source of numbers: the same seed and name give the same ones on every machine. */
export function createRandom(seed: number, name: string): () => number {
  // FNV-1a of the name, so that each case has numbers of its own, whichever cases run before it.
  let state = 0x81_1c_9d_c5 ^ seed;
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 0x01_00_01_93);
  // Mulberry32.
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `from` to `to`, both included. */
export function between(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}
