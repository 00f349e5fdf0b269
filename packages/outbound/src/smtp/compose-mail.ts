import { createHash } from "node:crypto";

import MailComposer from "nodemailer/lib/mail-composer";

import { OutboundRefusedError } from "../errors.ts";
import { type Mail } from "./smtp-client.ts";

/** Over all of to, cc and bcc: more is a mailing, which has systems of its own. */
const MAX_RECIPIENTS = 100;
const MAX_ADDRESS = 320;
const MAX_SUBJECT = 998;
/** Bytes of the whole message as it is sent. */
const MAX_MESSAGE = 5 * 1024 * 1024;

/** RFC 5321 §4.1.2, without quoted local parts and address literals, which nobody needs and parsers disagree about. */
const ADDRESS =
  /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*@[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?(\.[\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?)*$/u;
const NAMED = /^([^<>]*)<([^<>]+)>$/;
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

export interface Address {
  readonly name: string;
  readonly address: string;
}

/** A message as it goes over the wire, with its envelope. */
export interface ComposedMail {
  readonly messageId: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
}

/**
 * Makes the message. Every address and the subject are looked at before they become headers: a line break in one of them
 * would be another header.
 *
 * @param key names the mail for good: its Message-ID is made of it, so that what is sent twice is seen to be one
 * @throws OutboundRefusedError for what cannot be sent as it was meant
 */
export async function composeMail(mail: Mail, key: string): Promise<ComposedMail> {
  const from = readAddress("from", mail.from);
  const lists = {
    to: readAddresses("to", mail.to),
    cc: readAddresses("cc", mail.cc),
    bcc: readAddresses("bcc", mail.bcc),
  };
  const recipients = [...lists.to, ...lists.cc, ...lists.bcc].map(({ address }) => address);
  if (recipients.length === 0) throw new OutboundRefusedError("the mail has no recipient");
  if (recipients.length > MAX_RECIPIENTS) {
    throw new OutboundRefusedError(`the mail has more than ${MAX_RECIPIENTS} recipients`);
  }
  if (mail.text === undefined && mail.html === undefined) {
    throw new OutboundRefusedError("the mail has neither text nor html");
  }
  const domain = from.address.slice(from.address.lastIndexOf("@") + 1);
  const messageId = `<${createHash("sha256").update(key).digest("hex").slice(0, 32)}@${domain}>`;
  const composer = new MailComposer({
    from: { ...from },
    to: lists.to.map((one) => ({ ...one })),
    cc: lists.cc.map((one) => ({ ...one })),
    ...(mail.replyTo === undefined
      ? {}
      : { replyTo: { ...readAddress("reply_to", mail.replyTo) } }),
    subject: readLine("subject", mail.subject, MAX_SUBJECT),
    ...(mail.text === undefined ? {} : { text: mail.text }),
    ...(mail.html === undefined ? {} : { html: mail.html }),
    messageId,
    // Whatever a text looks like, it is a text: no file is read and no address fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const raw = await composer.compile().build();
  if (raw.length > MAX_MESSAGE) {
    throw new OutboundRefusedError(`the mail is larger than ${MAX_MESSAGE} bytes`);
  }
  return { messageId, from: from.address, to: [...new Set(recipients)], raw };
}

function readAddresses(member: string, texts: readonly string[] = []): Address[] {
  return texts.map((text) => readAddress(member, text));
}

/** @throws OutboundRefusedError */
function readAddress(member: string, text: string): Address {
  const line = readLine(member, text, MAX_ADDRESS);
  const [, name = "", named] = NAMED.exec(line) ?? [];
  const address = (named ?? line).trim();
  if (!ADDRESS.test(address)) {
    throw new OutboundRefusedError(
      `${member} holds what is no mail address; write me@example.com or Name <me@example.com>`,
    );
  }
  return { name: name.trim().replace(/^"(.*)"$/, "$1"), address };
}

function readLine(member: string, text: string, max: number): string {
  if (text.length > max) {
    throw new OutboundRefusedError(`${member} is longer than ${max} characters`);
  }
  if (CONTROL.test(text)) {
    throw new OutboundRefusedError(`${member} holds a line break or another control character`);
  }
  return text;
}
