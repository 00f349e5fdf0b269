import type { HttpRequestOptions, HttpResponse, InputOf, Mail } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { describe, expect, test } from "vitest";
import type { notifySendContract } from "./contract.ts";
import notifySend from "./engine.ts";
import { plainText } from "./plain-text.ts";

// The door itself is proved in packages/outbound, and the whole way to servers in e2e. Here stands its port.
type Input = InputOf<typeof notifySendContract>;

function run(input: Input, answered = "ok") {
  const asked: {
    connection?: string | undefined;
    url?: string;
    options?: HttpRequestOptions;
    mail?: Mail;
  } = {};
  const response = { status: 200, durationMs: 5, text: () => answered } as HttpResponse;
  const output = runEngine(notifySend, input, {
    clients: {
      http: (connection) => ({
        request: (url, options = {}) => {
          Object.assign(asked, { connection, url, options });
          return Promise.resolve(response);
        },
      }),
      smtp: (connection) => ({
        send: (mail) => {
          Object.assign(asked, { connection, mail });
          const sent = { messageId: "<1@x>", accepted: ["a@example.com"], rejected: [] };
          return Promise.resolve({ ...sent, status: 250, durationMs: 7 });
        },
        verify: () => Promise.reject(new Error("not asked for")),
      }),
    },
  });
  return { asked, output };
}

const evil = '<!channel> & *b* [x](http://evil.example) "q"';

describe("a chat channel", () => {
  test("Slack: markup of the text stays, values stand for themselves", async () => {
    const { asked, output } = run({
      channel: "slack",
      connection: "ops",
      title: "Import of {{ file }}",
      text: "*{{file}}*: {{rows}} {{ok}} {{evil}}",
      variables: { file: "a.csv", rows: 7, ok: true, evil },
    });
    expect(await output).toEqual({
      channel: "slack",
      status: 200,
      duration_ms: 5,
      message_id: null,
      accepted: null,
      rejected: null,
    });
    expect(asked).toMatchObject({ connection: "ops", url: "", options: { method: "POST" } });
    expect(asked.options?.json).toEqual({
      text: '*Import of a.csv*\n*a.csv*: 7 true &lt;!channel&gt; &amp; *b* [x](http://evil.example) "q"',
    });
  });

  test("Discord: nobody is woken, and markdown of values is none", async () => {
    const { asked, output } = run({
      channel: "discord",
      connection: "ops",
      text: "@everyone {{evil}}",
      variables: { evil },
    });
    await output;
    expect(asked.options?.json).toEqual({
      content: '@everyone \\<!channel\\> & \\*b\\* \\[x\\]\\(http://evil.example\\) "q"',
      allowed_mentions: { parse: [] },
    });
  });

  test("Teams: an adaptive card", async () => {
    const { asked, output } = run({ channel: "teams", connection: "ops", title: "T", text: "x" });
    await output;
    expect(asked.options?.json).toMatchObject({
      type: "message",
      attachments: [
        {
          contentType: "application/vnd.microsoft.card.adaptive",
          content: {
            type: "AdaptiveCard",
            version: "1.4",
            body: [
              { type: "TextBlock", text: "T", weight: "Bolder" },
              { type: "TextBlock", text: "x", wrap: true },
            ],
          },
        },
      ],
    });
  });

  test("Teams' 200 to what was not delivered is tried again", async () => {
    const answered =
      "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    const { output } = run({ channel: "teams", connection: "ops", text: "x" }, answered);
    await expect(output).rejects.toMatchObject({ name: "RetryAfterError" });
  });

  test("a text that the channel would cut is refused", async () => {
    const { asked, output } = run({
      channel: "discord",
      connection: "ops",
      text: "x".repeat(2_001),
    });
    await expect(output).rejects.toMatchObject({ code: "input_invalid" });
    expect(asked).toEqual({});
  });
});

describe("an e-mail", () => {
  const mail = {
    channel: "email" as const,
    connection: "mail",
    from: "Shop <shop@example.com>",
    to: ["a@example.com"],
    title: "For {{name}}",
  } satisfies Input;

  test("has values escaped in HTML, as they are in text, and in one line in the subject", async () => {
    const { asked, output } = run({
      ...mail,
      html: "<p>Dear {{name}},</p>",
      text: "Dear {{name}},",
      variables: { name: "<b>A\r\nBcc: x@example.com" },
    });
    expect(await output).toMatchObject({ channel: "email", status: 250, message_id: "<1@x>" });
    expect(asked.connection).toBe("mail");
    expect(asked.mail).toMatchObject({
      subject: "For <b>A Bcc: x@example.com",
      html: "<p>Dear &lt;b&gt;A\r\nBcc: x@example.com,</p>",
      text: "Dear <b>A\r\nBcc: x@example.com,",
    });
  });

  test("of HTML alone has its text too", async () => {
    const { asked, output } = run({ ...mail, title: "x", html: "<p>Hi <b>you</b></p><p>Bye</p>" });
    await output;
    expect(asked.mail?.text).toBe("Hi you\n\nBye");
  });

  test("of nothing is refused", async () => {
    await expect(run({ ...mail, title: "x" }).output).rejects.toMatchObject({
      code: "input_invalid",
    });
  });
});

describe("templates", () => {
  const base = { channel: "slack", connection: "ops" } as const;

  test("name the variable that is missing", async () => {
    const { asked, output } = run({ ...base, text: "{{a}} {{toString}}", variables: { a: 1 } });
    await expect(output).rejects.toMatchObject({
      code: "input_invalid",
      message: expect.stringContaining("toString") as string,
      details: { pointer: "/variables/toString" },
    });
    expect(asked).toEqual({});
  });

  test("are filled once, and not at all without variables", async () => {
    const once = run({ ...base, text: "{{a}}", variables: { a: "{{b}} $& $1", b: 1 } });
    await once.output;
    expect(once.asked.options?.json).toEqual({ text: "{{b}} $&amp; $1" });
    const plain = run({ ...base, text: "{{a}}" });
    await plain.output;
    expect(plain.asked.options?.json).toEqual({ text: "{{a}}" });
  });
});

test("text of HTML has lines, items, addresses of links, and no scripts", () => {
  const html = `<html><head><title>no</title><style>p{}</style></head><body><!-- no -->
    <h1>Title</h1><p>One<br>two &amp; &#8364; &lt;b&gt; &bogus;</p><ul><li>a</li><li>b</li></ul>
    <a href="https://x.example/">go</a> <a href="https://y.example">https://y.example</a><script>no()</script></body></html>`;
  expect(plainText(html)).toBe(
    "Title\n\nOne\ntwo & € <b> &bogus;\n\n- a\n- b\n\ngo (https://x.example/) https://y.example",
  );
});
