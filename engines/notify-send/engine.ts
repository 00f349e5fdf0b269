import { defineEngine, RetryAfterError, TerminalError, type Clients } from "@tl-engine/engine-kit";
import { chatPayload } from "./chat-payload.ts";
import { notifySendContract, type Chat, type Email } from "./contract.ts";
import { escapes } from "./escape-value.ts";
import { fillTemplate } from "./fill-template.ts";

/** One message per attempt; what the door throws says by itself whether it is tried again. */
export default defineEngine({
  ...notifySendContract,
  uses: ["http", "smtp"],
  run: (input, { clients }) =>
    input.channel === "email" ? sendMail(clients, input) : sendChat(clients, input),
});

const step = "notify";

async function sendChat({ http }: Pick<Clients, "http">, input: Chat) {
  const { channel, connection, title, text, variables, timeout, idempotent } = input;
  const fill = (template: string) => fillTemplate(template, variables, escapes[channel]);
  const payload = chatPayload(channel, title === undefined ? undefined : fill(title), fill(text));
  const answer = await http(connection).request("", {
    method: "POST",
    json: payload,
    redirect: "none",
    acceptStatus: ["2xx"],
    maxResponseBytes: 64 * 1024,
    timeout,
    idempotent,
    step,
  });
  // Teams' older webhooks answer 200 to what they did not deliver.
  if (channel === "teams" && /failed with error/i.test(answer.text())) {
    throw new RetryAfterError("Teams took the message and did not deliver it", "30s");
  }
  return {
    channel,
    status: answer.status,
    duration_ms: answer.durationMs,
    message_id: null,
    accepted: null,
    rejected: null,
  };
}

async function sendMail({ smtp }: Pick<Clients, "smtp">, input: Email) {
  const { connection, from, to, cc, bcc, title, variables, timeout, idempotent } = input;
  if (input.text === undefined && input.html === undefined) {
    throw new TerminalError("an e-mail needs text, html, or both", {
      code: "input_invalid",
      details: { pointer: "/text" },
    });
  }
  const html =
    input.html === undefined ? undefined : fillTemplate(input.html, variables, escapes.html);
  const text =
    input.text === undefined
      ? (await import("./plain-text.ts")).plainText(html ?? "")
      : fillTemplate(input.text, variables, escapes.text);
  const sent = await smtp(connection).send(
    {
      from,
      to,
      cc,
      bcc,
      replyTo: input.reply_to,
      subject: fillTemplate(title, variables, escapes.line),
      text,
      html,
    },
    { timeout, idempotent, step },
  );
  return {
    channel: input.channel,
    status: sent.status,
    duration_ms: sent.durationMs,
    message_id: sent.messageId,
    accepted: [...sent.accepted],
    rejected: [...sent.rejected],
  };
}
