import { expect, it } from "vitest";

import { shownHeaders } from "./shown-headers.ts";

it("shows what harmless headers say, and of others how long they are", () => {
  const shown = shownHeaders(
    {
      "content-type": "application/json",
      "user-agent": "tl-engine",
      "retry-after": "7",
      "x-auth-token": "s3cret",
      "x-something-new": "s3cret-too",
      cookie: "session=s3cret",
      "set-cookie": "session=s3cret\nb=2",
      location: "https://x.test/?token=s3cret",
      authorization: "Bearer s3cret",
      "proxy-authorization": "Basic s3cret",
      "x-api-key": "s3cret",
      accept: "s3cret",
    },
    new Set(["x-api-key", "accept"]),
  );
  expect(shown).toEqual({
    "content-type": "application/json",
    "user-agent": "tl-engine",
    "retry-after": "7",
    "x-auth-token": "[6 characters]",
    "x-something-new": "[10 characters]",
    cookie: "[14 characters]",
    "set-cookie": "[18 characters]",
    location: "[28 characters]",
    authorization: "[redacted]",
    "proxy-authorization": "[redacted]",
    "x-api-key": "[redacted]",
    accept: "[redacted]",
  });
  expect(JSON.stringify(shown)).not.toContain("s3cret");
});

it("shows only what any database and terminal can hold", () => {
  const shown = shownHeaders({ server: "a\u0000b\u00ff\u001b[31m", vary: "x".repeat(2000) }, null);
  expect(shown["server"]).toBe("a\ufffdb\ufffd\ufffd[31m");
  expect(shown["vary"]).toHaveLength(513);
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, "1"]));
  expect(Object.keys(shownHeaders(many, null))).toHaveLength(100);
});
