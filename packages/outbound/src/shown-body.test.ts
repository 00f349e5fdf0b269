import { expect, it } from "vitest";

import { shownBody } from "./shown-body.ts";

const show = (body: string | Uint8Array | null, contentType?: string, cap = 4096) =>
  shownBody({ body, contentType, cap, secrets: ["the-credential", "short"] });

it("hides members of JSON whose names speak of secrets, however deep", () => {
  const text = JSON.stringify({
    user: "ada",
    password: "s3cret",
    nested: [{ access_token: "s3cret", apiKey: "s3cret", "client-secret": { a: "s3cret" } }],
    token: null,
    has_session: true,
    count: 7,
    pin: 1234,
  });
  const shown = show(text, "application/json; charset=utf-8");
  expect(JSON.parse(shown ?? "")).toEqual({
    user: "ada",
    password: "[redacted]",
    nested: [{ access_token: "[redacted]", apiKey: "[redacted]", "client-secret": "[redacted]" }],
    token: null,
    has_session: true,
    count: 7,
    pin: "[redacted]",
  });
  // Also where nobody says that it is JSON.
  expect(show('{"password":"s3cret"}')).toBe('{"password":"[redacted]"}');
});

it("hides them in forms, and shows no JSON that it cannot read", () => {
  const form = "grant_type=x&client_secret=s3cret&a=b";
  expect(show(form, "application/x-www-form-urlencoded")).toBe(
    "grant_type=x&client_secret=[redacted]&a=b",
  );
  expect(show('{"password":"s3cret', "application/json")).toBe("[19 bytes that are not JSON]");
  expect(show(`["${"x".repeat(1024 * 1024)}"]`, "application/json")).toBe(
    "[JSON of 1048580 bytes]",
  );
});

it("hides the connection's credentials wherever they are", () => {
  expect(show("you sent the-credential, and short", "text/plain")).toBe(
    "you sent [redacted], and short",
  );
});

it("cuts text between characters, and marks what is no text", () => {
  expect(show("äöü", "text/plain", 3)).toBe("ä… [3 bytes more]");
  expect(show("äöü", "text/plain", 6)).toBe("äöü");
  expect(show(Uint8Array.of(0xff, 0xfe, 0))).toBe("base64://4A");
  expect(show(new Uint8Array(9), undefined, 3)).toBe("base64:AAAA… [6 bytes more]");
  expect(show("a\0b")).toBe("base64:YQBi");
  expect(show(null)).toBeNull();
  expect(show("")).toBeNull();
});
