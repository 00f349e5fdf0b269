import { ConnectionFailedError, OutboundError, UpstreamError } from "../errors.ts";

/** What nodemailer's errors say beside their message. */
interface SmtpFailure {
  readonly code?: string;
  readonly response?: string | false;
  readonly responseCode?: number;
  readonly message: string;
}

/** Lengths of a reply that an error's message shows. */
const MAX_REPLY = 200;

/**
 * A session's error in this package's words.
 *
 * @param taken whether the server may have the mail: then it is not sent again by itself
 */
export function smtpError(what: string, error: unknown, taken: boolean): OutboundError {
  if (error instanceof OutboundError) return error;
  const { code, response, responseCode: status, message } = error as SmtpFailure;
  if (code === "ETLS" || /certificate|altnames|self-signed|TLS/i.test(message)) {
    // Neither gets better within an execution's attempts.
    return new ConnectionFailedError(
      `${what}: no encrypted session: STARTTLS is not offered, or its certificate is not accepted`,
      { retryable: false },
    );
  }
  if (status !== undefined && status >= 400) {
    const refused = code === "EAUTH" ? "did not accept the credentials, and answered" : "answered";
    return new UpstreamError(`${what} ${refused} ${shownReply(response, status)}`, {
      status,
      // RFC 5321 §4.2.1: 4yz may be tried again, 5yz may not. A reply says that the mail was not taken.
      retryable: status < 500,
    });
  }
  if (code === "EAUTH") {
    return new UpstreamError(`${what} offers no way to sign in that is known here`, {
      retryable: false,
    });
  }
  if (code === "EPROTOCOL") {
    return new UpstreamError(`${what} does not speak SMTP`, { retryable: !taken });
  }
  return new ConnectionFailedError(
    taken
      ? `${what}: the connection broke while the mail was handed over; nobody knows whether it was taken`
      : `${what}: the connection broke`,
    { retryable: !taken },
  );
}

/** A reply without the addresses that it may quote. */
function shownReply(response: string | false | undefined, status: number): string {
  const text = (response || String(status))
    .slice(0, 1_000)
    .replace(/<[^>]*>|\S+@\S+/g, "<address>")
    .replace(/[^\x20-\x7e]+/g, " ");
  return text.slice(0, MAX_REPLY).trim();
}
