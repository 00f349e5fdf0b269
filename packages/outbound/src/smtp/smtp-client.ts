/** A mail, as an engine gives it. No member may hold a line break where a header is made of it. */
export interface Mail {
  /** `noreply@example.com` or `Shop <noreply@example.com>`. */
  readonly from: string;
  /** At least one recipient over `to`, `cc` and `bcc`, and at most 100. */
  readonly to?: readonly string[] | undefined;
  readonly cc?: readonly string[] | undefined;
  readonly bcc?: readonly string[] | undefined;
  readonly replyTo?: string | undefined;
  readonly subject: string;
  /** At least one of both; text alone is what every program shows. */
  readonly text?: string | undefined;
  readonly html?: string | undefined;
}

export interface SendMailOptions {
  /** For the whole of it, connection included: milliseconds or `30s`. Default: what the connection says. */
  readonly timeout?: number | string | undefined;
  /** Says that a mail that comes twice does no harm, so that one of which nobody knows whether it was taken is sent again. */
  readonly idempotent?: boolean | undefined;
  /** Names this mail within its execution, for the log and its Message-ID. Default: its number. */
  readonly step?: string | undefined;
}

/** What became of a mail that was taken. */
export interface SentMail {
  /** The same for every attempt of the execution. */
  readonly messageId: string;
  readonly accepted: readonly string[];
  /** Recipients that the server did not take; it took others. */
  readonly rejected: readonly string[];
  /** The reply's code, such as 250. */
  readonly status: number;
  readonly durationMs: number;
}

/** The one way to send mail: through a connection of kind smtp. */
export interface SmtpClient {
  /**
   * Hands a mail to the connection's server.
   *
   * @throws OutboundRefusedError (an address or a subject that cannot be sent), ConnectionFailedError, TimeoutError,
   *   UpstreamError (the server said no: 4xx is tried again, 5xx is not), ParkedError, or the reason of the scope's signal
   */
  send(mail: Mail, options?: SendMailOptions): Promise<SentMail>;
  /** Connects, says who we are and nothing else. @returns the reply's code; @throws as `send` */
  verify(options?: Pick<SendMailOptions, "timeout" | "step">): Promise<{ readonly status: number }>;
}
