import { globSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import * as contract from "@tl-engine/contract";
import { describeEngine, enginesOf } from "@tl-engine/engine-kit";
import formats from "ajv-formats/dist/formats.js";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkedFormats } from "../packages/shared/src/json-schema/make-ajv.ts";
import { builtInEngineModules } from "../engines/catalog.ts";

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
  [/^apps\/api\/src\/(json-values|body-errors|check-submit|submit-.*)\.ts$/, body],
  [/^apps\/api\/src\//, headers],
  // Cut before it is scrubbed.
  [/^packages\/shared\/src\/log\//, 8_000],
  // A target's longest URL, an answer's longest headers, a step's longest name.
  [/^packages\/outbound\/src\/(target|http-response|retry-after|content-coding)\.ts$/, 64 * kib],
  [/^packages\/outbound\/src\/record-call\.ts$/, 100],
  // A mail server's reply, cut before it is looked at.
  [/^packages\/outbound\/src\/smtp\/smtp-errors\.ts$/, 1_000],
  [/^packages\/(contract|outbound|engine-kit|shared)\/src\//, body],
  // What an engine writes, piece by piece.
  [/^apps\/worker\/src\//, 64 * kib],
  [/^engines\//, body],
];

/** The operator's or a developer's own text. */
const notCallers =
  /\.test\.ts$|\/(testing|test-support|pack|config|schema|doctor)\/|\/(openapi.*|app|worker-main|allow-list|redis-backend|offer-kit|split-statements)\.ts$/;

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
  ["apps/{api,worker}/src", "packages/{contract,outbound,engine-kit,shared}/src", "engines"].map(
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

type Check = RegExp | ((text: string) => unknown);

/** Of this thread's own time, the best of three: what a busy machine adds is not the pattern's. */
function msOf(check: Check, text: string): number {
  const times = [1, 2, 3].map(() => {
    if (check instanceof RegExp) check.lastIndex = 0;
    const since = process.threadCpuUsage();
    if (!(check instanceof RegExp)) check(text);
    else if (check.global) text.replaceAll(check, "");
    else check.test(text);
    const { user, system } = process.threadCpuUsage(since);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

/**
 * The first text for which the pattern takes too long. A short one is tried first: where the time grows with the square,
 * the long one would never end; and where the short one took no time to speak of, the long one is left out.
 */
function slowText(pattern: Check, characters: number): string | null {
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

/** Every `pattern` in a JSON Schema, and of its `patternProperties`. */
function patternsIn(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const own = "pattern" in schema && typeof schema.pattern === "string" ? [schema.pattern] : [];
  const named =
    "patternProperties" in schema ? Object.keys(schema.patternProperties as object) : [];
  return [...own, ...named, ...Object.values(schema).flatMap(patternsIn)];
}

describe("patterns that a schema brings along", async () => {
  const bodies = Object.values(contract).filter((member) => member instanceof z.ZodType);
  const modules = await Promise.all(
    builtInEngineModules.map((url) => import(url) as Promise<unknown>),
  );
  const inputs = modules
    .flatMap((module, n) => enginesOf(module, builtInEngineModules[n] ?? ""))
    .map((engine) => describeEngine(engine).input_schema);
  // What an engine of somebody's own may ask of a text by name: zod's pattern for it is published with it.
  const known = [
    z.email(),
    z.uuid(),
    z.ipv4(),
    z.ipv6(),
    z.hostname(),
    z.base64(),
    z.jwt(),
    z.url(),
    z.iso.datetime({ offset: true }),
    z.iso.date(),
    z.iso.time(),
    z.iso.duration(),
    z.cidrv4(),
    z.cidrv6(),
    z.base64url(),
    z.e164(),
    z.emoji(),
    z.nanoid(),
    z.cuid2(),
    z.ulid(),
  ];
  const schemas: object[] = [
    ...[...bodies, ...known].map((one) => z.toJSONSchema(one, { unrepresentable: "any" })),
    ...inputs,
  ];
  const sources = [...new Set(schemas.flatMap(patternsIn))];

  test("are found", () => {
    expect(sources).toContain(String(contract.engineIdPattern).slice(1, -1));
    expect(sources.length).toBeGreaterThan(15);
  });
  test.each(sources)("%s is quick", (source) => {
    expect(slowText(new RegExp(source, "u"), body)).toBeNull();
  });
});

describe("formats by which the API checks inputs", () => {
  const { fullFormats } = formats as unknown as { fullFormats: Record<string, unknown> };
  const checks = checkedFormats.map((name) => {
    const format = fullFormats[name];
    const isWrapped = typeof format === "object" && format !== null && "validate" in format;
    return [name, (isWrapped ? format.validate : format) as Check] as const;
  });

  test.each(checks)("%s is quick", (_name, check) => {
    expect(slowText(check, body)).toBeNull();
  });
  test("one that is not would be seen", () => {
    expect(slowText(fullFormats["url"] as RegExp, 8 * kib)).not.toBeNull();
  });
});
