import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { OutboundRefusedError } from "./errors.ts";
import { readTarget } from "./target.ts";

describe("readTarget", () => {
  it("reads host, port and scheme", () => {
    expect(readTarget("https://Example.COM/a?b#c")).toMatchObject({
      secure: true,
      hostname: "example.com",
      port: 443,
      address: null,
      url: new URL("https://example.com/a?b"),
    });
    expect(readTarget("http://[::ffff:127.0.0.1]:81/")).toMatchObject({
      secure: false,
      hostname: "::ffff:7f00:1",
      port: 81,
      address: "::ffff:7f00:1",
    });
  });

  it.each([
    "127.1",
    "0177.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "①②⑦.⓪.⓪.①",
    "0x7f.1",
    "127.0.1",
    "%31%32%37.0.0.1",
  ])("sees that %s is 127.0.0.1", (host) => {
    // prettier-ignore
    expect(readTarget(`http://${host}/`).address).toBe("127.0.0.1");
  });

  it.each([
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com/",
    "data:text/plain,x",
    "blob:http://example.com/x",
    "javascript:alert(1)",
    "unix:/var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "jar:http://example.com/!/x",
    "ws://example.com/",
    "about:blank",
    "//example.com",
    "/path",
    "example.com",
    "",
    "http://",
    "http:///",
    "http://:80/",
    "http://user@example.com/",
    "http://:pw@example.com/",
    "http://example@127.0.0.1",
    "http://a b/",
    "http://example.com:99999/",
    "http://127.0.0.1%00.example/",
    "http://[::1%25lo]/",
    "http://[::1]x/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://example.com/\r\nX: y",
    "http://exam\tple.com/",
    "\nhttp://example.com/",
    "http://example.com/\0",
    `http://example.com/${"a".repeat(9000)}`,
  ])("refuses %j", (text) => {
    // prettier-ignore
    expect(() => readTarget(text)).toThrow(OutboundRefusedError);
  });

  it("never lets a character through that would end the request line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (tail) => {
        try {
          const { url } = readTarget(`http://example.com/${tail}`);
          return /^[\u0021-\u007e]*$/.test(url.pathname + url.search) && url.host === "example.com";
        } catch (error) {
          return error instanceof OutboundRefusedError;
        }
      }),
    );
  });

  it("does not repeat a query or credentials in its messages", () => {
    for (const text of ["ftp://h/?token=s3cret", "http://me:s3cret@h/", "http://h:s3cret/"]) {
      expect(() => readTarget(text)).toThrow(/^(?!.*s3cret)/);
    }
  });
});
