import { type Socket } from "node:net";
import { Readable } from "node:stream";

import SMTPConnection from "nodemailer/lib/smtp-connection";

import { tlsOfConnection } from "../auth/tls-of-connection.ts";
import { type CallEnd } from "../call-end.ts";
import { OutboundRefusedError } from "../errors.ts";
import { type Connection } from "../ports.ts";
import { type Tally } from "../protocol-call.ts";
import { type Target } from "../target.ts";
import { type ComposedMail } from "./compose-mail.ts";

export interface SessionOptions {
  readonly connection: Connection;
  readonly target: Target;
  /** Connected, with TLS where the address says smtps. */
  readonly socket: Socket;
  readonly certificateAuthorities: readonly string[] | undefined;
  readonly tally: Tally;
  readonly end: CallEnd;
}

export interface Delivered {
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
  readonly status: number;
}

/** A session with a server over a socket that the door opened: it opens none by itself. */
export interface SmtpSession {
  /** Greets, encrypts, signs in. @throws what nodemailer says, or the end's reason */
  begin(): Promise<void>;
  send(mail: ComposedMail): Promise<Delivered>;
  /** Does nothing on the server. */
  probe(): Promise<void>;
  /** Whether some of the mail went out. */
  readonly sending: boolean;
  close(): void;
}

/** A reply may be so long, bytes; real ones have a few hundred. */
const MAX_REPLY_BYTES = 64 * 1024;
/** `end` is what bounds a session; nodemailer's own clocks only must not run out before. */
const LONG_MS = 24 * 3_600_000;

/** See {@link SmtpSession}. */
export function openSession(options: SessionOptions): SmtpSession {
  const { connection, target, socket, tally, end } = options;
  const { auth } = connection;
  const tls = tlsOfConnection(connection.tls, options.certificateAuthorities);
  const client = new SMTPConnection({
    host: target.hostname,
    port: target.port,
    connection: socket,
    secure: target.secure,
    secured: target.secure,
    // Credentials go over TLS alone. Without them it is used where the server offers it, and then has to hold.
    requireTLS: !target.secure && auth.type !== "none",
    // Whoever reads it learns nothing of this machine.
    name: "[127.0.0.1]",
    connectionTimeout: LONG_MS,
    greetingTimeout: LONG_MS,
    socketTimeout: LONG_MS,
    socketCloseTimeout: 1_000,
    maxResponseSize: MAX_REPLY_BYTES,
    logger: false,
    tls: {
      // Said outright, since NODE_TLS_REJECT_UNAUTHORIZED would otherwise decide.
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      ...(tls.certificateAuthorities ? { ca: [...tls.certificateAuthorities] } : {}),
      ...(tls.clientCertificate
        ? { cert: tls.clientCertificate.certificate, key: tls.clientCertificate.privateKey }
        : {}),
    },
  });
  let sending = false;
  let fail: ((reason: unknown) => void) | null = null;
  client.on("error", (error: unknown) => fail?.(error));
  client.on("end", () => fail?.(new Error("the connection ended")));

  /** One step of the session: its own answer, the session's error, or the call's end. */
  function step<T>(run: (done: (error: unknown, value?: T) => void) => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    fail = reject;
    end.listen((reason) => {
      reject(reason);
      destroy();
    });
    if (end.over) reject(end.reason);
    else run((error, value) => (error ? reject(error) : resolve(value as T)));
    return promise.finally(() => {
      fail = null;
      end.listen(null);
      tally.bytesSent = socket.bytesWritten;
      tally.bytesReceived = socket.bytesRead;
    });
  }

  function destroy(): void {
    client.close();
    socket.destroy();
  }

  return {
    get sending() {
      return sending;
    },
    async begin() {
      await step<void>((done) => client.connect((error) => done(error)));
      if (auth.type === "none") return;
      if (auth.type !== "basic") {
        throw new OutboundRefusedError(
          `an smtp connection signs in by basic, and ${connection.id} has ${auth.type}`,
        );
      }
      const { username: user, password: pass } = auth;
      await step<void>((done) =>
        client.login({ user, pass, credentials: { user, pass } }, (error) => done(error)),
      );
    },
    async send({ from, to, raw }) {
      // Read only once the server has asked for it.
      const message = Readable.from(
        (function* () {
          sending = true;
          yield raw;
        })(),
      );
      const info = await step<SMTPConnection.SentMessageInfo>((done) =>
        client.send({ from, to: [...to], size: raw.length }, message, done),
      );
      const { accepted, rejected, response } = info;
      return { accepted, rejected, status: Number.parseInt(response, 10) || 250 };
    },
    probe: () => step<void>((done) => client.reset((error) => done(error))),
    close() {
      client.quit();
      destroy();
    },
  };
}
