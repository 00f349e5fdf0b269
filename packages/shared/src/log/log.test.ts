import { expect, test } from "vitest";
import { describeError } from "./describe-error.ts";
import { createLog, type Fields } from "./log.ts";
import { scrubText } from "./scrub-text.ts";

function capture() {
  const lines: string[] = [];
  const log = createLog({
    level: "debug",
    app: "api",
    destination: { write: (line: string) => void lines.push(line) },
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown> };
}

const key = `tlk_a1B2c3D4e5F6_${"x".repeat(49)}`;

test("writes one JSON line with the fields that have a name", () => {
  const { log, lines, last } = capture();
  log.info(
    { method: "POST", route: "/engines/{id}/execute", status: 202, duration_ms: 3.5 },
    "request",
  );
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ level: "info", app: "api", msg: "request", status: 202 });
  expect(last()["time"]).toMatch(/^\d{4}-\d\d-\d\dT/);
});

test("leaves out every name that is not in the list, and every object", () => {
  const { log, lines, last } = capture();
  const fields = {
    authorization: "Bearer hunter2hunter2",
    "x-api-key": key,
    token: "hunter2",
    input: { card: "hunter2" },
    headers: { authorization: "hunter2" },
    method: { toString: () => "hunter2", toJSON: () => "hunter2" },
    reasons: ["fine", { secret: "hunter2" }],
    status: 200,
  } as unknown as Fields;
  log.info(fields, "request");
  log.child(fields).warn(fields, "child");
  expect(lines.join("")).not.toContain("hunter2");
  expect(lines.join("")).not.toContain(key);
  expect(last()).toMatchObject({ status: 200, fields_left_out: 7 });
});

test("an error is its name, message, code and stack, and nothing else", () => {
  const { log, last, lines } = capture();
  const error = Object.assign(new Error("duplicate key"), {
    code: "23505",
    detail: "Key (name)=(hunter2) exists",
    parameters: ["hunter2"],
    cause: Object.assign(new TypeError("inner"), { headers: { authorization: "hunter2" } }),
  });
  log.error({ err: error }, "failed");
  expect(lines.join("")).not.toContain("hunter2");
  expect(last()["err"]).toEqual({
    name: "Error",
    message: "duplicate key",
    code: "23505",
    stack: expect.stringContaining("log.test.ts"),
    cause: { name: "TypeError", message: "inner", stack: expect.any(String) },
  });
});

test("what looks like a credential is cut out of texts too", () => {
  const { log, lines } = capture();
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  log.error({ err: new Error(`refused ${key} and ${jwt}`), path: `/x?${key}` }, `bad %s %o ${key}`);
  log.info({ reason: "postgres://user:hunter2@db/tl Authorization: Bearer abcdefgh12345678" }, "x");
  const text = lines.join("");
  for (const secret of [key, jwt, "hunter2", "abcdefgh12345678"])
    expect(text).not.toContain(secret);
  expect(text).toContain("bad %s %o [key]");
});

test("whatever is thrown can be described", () => {
  const nasty = new Proxy(new Error("x"), {
    get: () => {
      throw new Error("no");
    },
  });
  for (const thrown of [null, undefined, "text", 5n, Symbol("s"), Object.create(null), nasty]) {
    expect(describeError(thrown).message).not.toBe("");
  }
  const long = describeError(new Error("m".repeat(1_000_000)));
  expect(long.message.length).toBeLessThan(2100);
});

test("scrubbing a long text of near misses stays quick", () => {
  const started = performance.now();
  for (const piece of ["eyJaaaaa.", "://a", "bearer ", "tlk_"]) {
    scrubText(piece.repeat(2_000_000 / piece.length), 8000);
  }
  expect(performance.now() - started).toBeLessThan(1000);
  // A log line that a caller can bring about must not hold up the process that writes it.
  for (const piece of ["eyJ", "eyJ.", ".eyJ", "a.", "eyJa", "eyJ-a.eyJ"]) {
    const text = piece.repeat(8000 / piece.length);
    const times = [1, 2, 3].map(() => {
      const since = performance.now();
      scrubText(text, 8000);
      return performance.now() - since;
    });
    expect(Math.min(...times)).toBeLessThan(10);
  }
});

test("a token is cut out wherever it stands, and dots alone are no token", () => {
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  const jwe = "eyJhbGciOiJSU0EifQ.a2V5.aXY.Y2lwaGVydGV4dA.dGFn";
  for (const token of [jwt, jwe]) {
    for (const text of [
      token,
      `token=${token};`,
      `x%20${token}`,
      `a.${token}`,
      `_${token}/b.c.d`,
    ]) {
      expect(scrubText(text)).toContain("[token]");
      expect(scrubText(text)).not.toContain(token.split(".").at(-1));
    }
  }
  for (const text of ["at a.b.c (d.ts:1:2)", "eyJa.b", "10.0.0.1", "HeyJude"]) {
    expect(scrubText(text)).toBe(text);
  }
});
