import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeCursor, readCursor } from "./cursor.ts";
import type { ApiContext } from "./endpoint.ts";
import { matchesTag } from "./entity-tag.ts";
import { canonicalJson, readIdempotencyKey } from "./idempotency-key.ts";
import { preferredWaitSeconds } from "./prefer.ts";
import { prefersText } from "./prefers-text.ts";
import { Refusal } from "./problem.ts";
import { readQuery, readTime } from "./query.ts";
import { readTraceParent } from "./trace-parent.ts";

const anyText = fc.string({ unit: "binary", maxLength: 60 });
/** What it gives, or the code that it refuses with; other errors are errors. */
function read<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

describe("the query", () => {
  const names = ["cursor", "limit", "tag", "created_after"] as const;
  const query = (text: string) =>
    readQuery({ req: { raw: { url: `http://x/y?${text}` } } } as ApiContext, names);

  test("is read as a browser writes it", () => {
    const value = fc.string({ unit: "grapheme" }).filter((text) => !/\p{Cc}/u.test(text));
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...names)), fc.array(value), (some, values) => {
        const given = Object.fromEntries(some.map((name, at) => [name, values[at] ?? ""]));
        expect(query(new URLSearchParams(given).toString())).toEqual(given);
      }),
    );
  });

  test("of any bytes is read or refused", () => {
    const pieces = fc.array(
      fc.constantFrom(...names, "=", "&", "%", "+", "%00", "%ff", "é", "#", "?"),
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const got = read(() => query(parts.join("")));
        if (typeof got === "string") expect(got).toBe("malformed_request");
        else for (const name of Object.keys(got)) expect(names).toContain(name);
      }),
      { numRuns: 1_000 },
    );
  });

  test("gives times that Postgres can hold, or none", () => {
    const digits = fc.stringMatching(
      /^[+-]?\d{4,6}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,12})?)?([Zz]|[+-]\d\d:\d\d)?$/,
    );
    fc.assert(
      fc.property(
        fc.oneof(
          digits,
          fc
            .date()
            .filter((date) => !Number.isNaN(date.getTime()))
            .map((date) => date.toISOString()),
        ),
        (text) => {
          const time = read(() => readTime("created_after", text));
          if (typeof time === "string") expect(time).toBe("malformed_request");
          else expect(time?.toISOString()).toMatch(/^\d{4}-|^-00/);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

const any = (place: string) => place;

test("a cursor is read by its own list alone, and only whole", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 80 }),
      fc.nat(),
      fc.nat({ max: 63 }),
      (place, at, code) => {
        const cursor = makeCursor("keys", place);
        expect(readCursor("keys", cursor, any)).toBe(place);
        expect(read(() => readCursor("engines", cursor, any))).toBe("malformed_request");
        const index = at % cursor.length;
        const other =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[code] ?? "A";
        const changed = cursor.slice(0, index) + other + cursor.slice(index + 1);
        if (changed !== cursor)
          expect(read(() => readCursor("keys", changed, any))).toBe("malformed_request");
      },
    ),
  );
});

test("a made-up cursor is refused", () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.base64String()), (text) => {
      expect(read(() => readCursor("keys", text, any))).toBe("malformed_request");
    }),
  );
});

describe("If-None-Match", () => {
  const tags = fc.array(fc.stringMatching(/^(W\/)?"[!#-~]{0,30}"$/), { maxLength: 5 });
  test("names a tag wherever it stands in the list, weak or strong", () => {
    fc.assert(
      fc.property(tags, tags, fc.constantFrom("W/", ""), (before, after, weak) => {
        const header = [...before, `${weak}"ours"`, ...after].join(" , ");
        expect(matchesTag(header, 'W/"ours"')).toBe(true);
      }),
    );
  });
  test("that does not name it never matches", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          tags.map((list) => list.join(",")),
        ),
        (header) => {
          const isAny = header.trim() === "*";
          expect(matchesTag(header, 'W/"0123456789abcdef"')).toBe(isAny);
        },
      ),
    );
  });
});

describe("an idempotency key", () => {
  test("is the same quoted and bare", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!#-[\]-~][!-[\]-~]{0,100}[!#-[\]-~]$/), (key) => {
        const quoted = `"${key.replaceAll('"', String.raw`\"`)}"`;
        expect(readIdempotencyKey(quoted)).toBe(readIdempotencyKey(key));
      }),
    );
  });
  test("is visible characters, or refused", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ maxLength: 300 })), (text) => {
        expect(read(() => readIdempotencyKey(text))).toMatch(/^([!-~]{1,255}|malformed_request)$/);
      }),
    );
  });
});

describe("the fingerprint of a body", () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  const shuffled = (input: unknown): unknown => {
    if (Array.isArray(input)) return input.map(shuffled);
    if (typeof input !== "object" || input === null) return input;
    const members = Object.entries(input).map(
      ([name, member]) => [name, shuffled(member)] as const,
    );
    return Object.fromEntries(members.toReversed());
  };
  test("does not see the order of members", () => {
    fc.assert(
      fc.property(value, (body) => {
        expect(canonicalJson(shuffled(body))).toBe(canonicalJson(body));
      }),
    );
  });
  test("is that value's alone", () => {
    fc.assert(
      fc.property(value, (body) => {
        const text = JSON.stringify(body);
        // Equal texts are equal values, and the text can be read back: so no two values share one.
        expect(JSON.parse(canonicalJson(JSON.parse(text)))).toEqual(JSON.parse(text));
      }),
    );
  });
});

test("headers that may be ignored never fail", () => {
  const pieces = fc
    .array(
      fc.constantFrom(
        "wait",
        "=",
        '"',
        "1",
        "60",
        "9999999999",
        ",",
        ";",
        " ",
        "q=",
        "0.5",
        "text/plain",
        "application/json",
        "*/*",
        "é",
      ),
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(anyText, pieces), (text) => {
      const seconds = preferredWaitSeconds(text);
      if (seconds !== null)
        expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 60).toBe(true);
      expect(typeof prefersText(text)).toBe("boolean");
    }),
    { numRuns: 1_000 },
  );
});

test("a traceparent is passed on as it came, or not at all", () => {
  const hex = fc.stringMatching(/^[0-9a-fA-F]{0,33}$/);
  const close = fc
    .tuple(fc.constantFrom("00", "01", "ff", "0"), hex, hex, hex)
    .map((parts) => parts.join("-"));
  const good = fc.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  fc.assert(
    fc.property(fc.oneof(anyText, close), (text) => {
      expect([null, text]).toContain(readTraceParent(text));
    }),
  );
  fc.assert(
    fc.property(good, (text) => {
      const [, traceId = "", parentId = ""] = text.split("-");
      const isZero = /^0+$/.test(traceId) || /^0+$/.test(parentId);
      expect(readTraceParent(text)).toBe(isZero ? null : text);
    }),
  );
});
