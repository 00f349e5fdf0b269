import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, test } from "vitest";

// B9: no pattern that sees callers' text takes more than 10 ms for the longest text that it may be given.
const root = join(import.meta.dirname, "..");
const kib = 1024;
const body = 1024 * kib;
const headers = 16 * kib;

/** Whose text the files' patterns see, and its longest length in characters; the first that fits counts. */
const longest: readonly [path: RegExp, characters: number][] = [
  // Headers, paths and queries end at the server's 16 KiB; prefer.ts and prefers-text.ts look at the length first.
  [/^apps\/api\/src\/(prefer)\.ts$/, 1_000],
  [/^apps\/api\/src\/(prefers-text)\.ts$/, 2_000],
  [/^apps\/api\/src\/(json-values|body-errors|check-submit|submit-.*|input-validator)\.ts$/, body],
  [/^apps\/api\/src\//, headers],
  // Cut before it is scrubbed.
  [/^packages\/shared\/src\/log\//, 8_000],
  // A target's longest URL, an answer's longest headers, a step's longest name.
  [/^packages\/outbound\/src\/(target|http-response|retry-after|content-coding)\.ts$/, 64 * kib],
  [/^packages\/outbound\/src\/record-call\.ts$/, 100],
  [/^packages\/(contract|outbound|engine-kit|shared)\/src\//, body],
  [/^engines\//, body],
];

/** The operator's or a developer's own text. */
const notCallers =
  /\.test\.ts$|\/(testing|test-support|pack|config|schema)\/|\/(openapi.*|app|worker-main|allow-list|redis-backend|offer-kit)\.ts$/;

/** A literal where an expression may begin. */
const literal =
  /(?:[=(,:?|&[!{;]|=>|\breturn|^)\s*(\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[dgimsuvy]*)/gm;

function patternsOf(text: string): RegExp[] {
  const code = text.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, "");
  return [...code.matchAll(literal)].flatMap(([, found = ""]) => {
    const end = found.lastIndexOf("/");
    try {
      return [new RegExp(found.slice(1, end), found.slice(end + 1))];
    } catch {
      return []; // A division, or a path in a text.
    }
  });
}

const files = globSync(
  ["apps/api/src", "packages/{contract,outbound,engine-kit,shared}/src", "engines"].map(
    (folder) => `${folder}/**/*.{ts,js}`,
  ),
  { cwd: root, exclude: (name) => name === "node_modules" || name === "dist" },
)
  .map((file) => file.split(sep).join("/"))
  .filter((file) => !notCallers.test(file) && !file.includes("node_modules"));
const patterns = files.flatMap((file) =>
  patternsOf(readFileSync(join(root, file), "utf8")).map((pattern) => ({ file, pattern })),
);

const units = [
  ...Array.from('aA01-_ \t\\.=;,"/:@+%é'),
  "😀",
  "a.",
  "0.",
  "1e",
  "://",
  "eyJ",
  "bearer ",
  "a@",
  "; charset=",
];
const starts = [
  "",
  "Bearer ",
  'W/"',
  '"',
  "wait=",
  "wait=1 ",
  "q=1",
  "http://a/",
  "-1.",
  "1e",
  "application/json;",
];
const ends = ["", "\n!"];

/** The best of three: what a busy machine adds is not the pattern's. */
function msOf(pattern: RegExp, text: string): number {
  const times = [1, 2, 3].map(() => {
    pattern.lastIndex = 0;
    const since = performance.now();
    if (pattern.global) text.replaceAll(pattern, "");
    else pattern.test(text);
    return performance.now() - since;
  });
  return Math.min(...times);
}

/**
 * The first text for which the pattern takes too long. A short one is tried first: where the time grows with the square,
 * the long one would never end; and where the short one took no time to speak of, the long one is left out.
 */
function slowText(pattern: RegExp, characters: number): string | null {
  const short = Math.min(characters, 8 * kib);
  for (const start of starts) {
    for (const unit of units) {
      for (const end of ends) {
        const msFor = (length: number): number =>
          msOf(pattern, start + unit.repeat(Math.max(1, length / unit.length)) + end);
        let ms = msFor(short);
        if (ms <= 10 && (ms * characters) / short >= 3) ms = msFor(characters);
        if (ms > 10) return `${ms.toFixed(1)} ms for ${start}${unit}…`;
      }
    }
  }
  return null;
}

test("the patterns are found", () => {
  expect(patterns.length).toBeGreaterThan(40);
  expect(
    patternsOf('if (/^a"b$/u.test(x)) y = z / 2; // /no/\nreturn /[/]c/g;').map(String),
  ).toEqual(['/^a"b$/u', "/[/]c/g"]);
  // And one that is slow is seen.
  expect(slowText(/^(a+)+$/, 23)).not.toBeNull();
});

describe.each(patterns)("$file: $pattern", ({ file, pattern }) => {
  const [, characters = body] = longest.find(([path]) => path.test(file)) ?? [];
  test("is quick", () => {
    expect(slowText(pattern, characters)).toBeNull();
  });
});
