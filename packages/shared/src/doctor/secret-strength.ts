/**
 * How many bits a secret could be worth at most: its characters, as far as each adds something to those before, times
 * what one of their kind is worth. Runs (`abcd`, `0000`, `9876`) and repeated pieces add nothing. A word out of a
 * dictionary is not known for one, so that this says something bad for certain, and something good never.
 */
export function bitsOf(secret: string): number {
  let counted = 0;
  for (let at = 0; at < secret.length; at++) {
    const step = secret.charCodeAt(at) - secret.charCodeAt(at - 1);
    const before = secret.charCodeAt(at - 1) - secret.charCodeAt(at - 2);
    const inRun = Math.abs(step) <= 1 && step === before;
    const repeats = at >= 3 && secret.indexOf(secret.slice(at - 3, at + 1)) < at - 3;
    if (!inRun && !repeats) counted += 1;
  }
  return counted * Math.log2(alphabetOf(secret));
}

function alphabetOf(secret: string): number {
  if (/^[0-9]*$/.test(secret)) return 10;
  if (/^[0-9a-f]*$/.test(secret) || /^[0-9A-F]*$/.test(secret)) return 16;
  const kinds: [RegExp, number][] = [
    [/[a-z]/, 26],
    [/[A-Z]/, 26],
    [/[0-9]/, 10],
    [/[^A-Za-z0-9]/, 4],
  ];
  return Math.max(
    2,
    kinds.reduce((sum, [kind, size]) => sum + (kind.test(secret) ? size : 0), 0),
  );
}
