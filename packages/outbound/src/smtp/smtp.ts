import { CallEnd } from "../call-end.ts";
import { callTimeoutMs } from "../call-timeout.ts";
import { dial } from "../dial.ts";
import { UpstreamError } from "../errors.ts";
import { type Connection } from "../ports.ts";
import { makeProtocolCall, type Tally } from "../protocol-call.ts";
import { type CallScope } from "../scope.ts";
import { type Connecting } from "../send-hop.ts";
import { readProtocolTarget, type Target } from "../target.ts";
import { CALL_TIME_UP, CallTimeUp, timeoutError } from "../time-up.ts";
import { composeMail } from "./compose-mail.ts";
import { type SendMailOptions, type SmtpClient } from "./smtp-client.ts";
import { smtpError } from "./smtp-errors.ts";
import { openSession, type SmtpSession } from "./smtp-session.ts";

/** Where mail is handed in (RFC 6409, RFC 8314); port 25, between servers, needs an entry of the allow list. */
const SUBMISSION_PORT = 587;
const SUBMISSIONS_PORT = 465;

/** A mail client for one attempt of one execution, through the connection named. */
export function createSmtpClient(
  connecting: Connecting,
  scope: CallScope,
  connectionId: string,
): SmtpClient {
  let calls = 0;
  const next = async (given: string | undefined) => {
    calls++;
    const step = given ?? String(calls);
    scope.signal.throwIfAborted();
    const connection = await scope.connections.connection(connectionId, "smtp");
    return { connecting, scope, connection, target: targetOf(connection), step };
  };
  return {
    async send(mail, options = {}) {
      const call = await next(options.step);
      const composed = await composeMail(mail, `${scope.executionId}/${call.step}`);
      const start = performance.now();
      const delivered = await inSession(call, "SEND", options, async (session, tally) => {
        const sent = await session.send(composed);
        tally.status = sent.status;
        return sent;
      });
      return {
        messageId: composed.messageId,
        ...delivered,
        durationMs: Math.round(performance.now() - start),
      };
    },
    async verify(options = {}) {
      const call = await next(options.step);
      return inSession(call, "NOOP", options, async (session, tally) => {
        await session.probe();
        tally.status = 250;
        return { status: 250 };
      });
    },
  };
}

interface SmtpCall {
  readonly connecting: Connecting;
  readonly scope: CallScope;
  readonly connection: Connection;
  readonly target: Target;
  readonly step: string;
}

async function inSession<T>(
  { connecting, scope, connection, target, step }: SmtpCall,
  method: string,
  { timeout, idempotent = false }: SendMailOptions,
  work: (session: SmtpSession, tally: Tally) => Promise<T>,
): Promise<T> {
  const what = `smtp ${target.url.host}`;
  const timeoutMs = callTimeoutMs(timeout ?? connection.timeouts.totalMs);
  const end = new CallEnd(scope.signal);
  end.within(timeoutMs, CALL_TIME_UP);
  let session: SmtpSession | null = null;
  /** The server may have it. */
  const taken = (): boolean => session?.sending === true && !idempotent;
  try {
    return await makeProtocolCall({
      guard: connecting.guard,
      scope,
      connection,
      protocol: "smtp",
      target,
      method,
      path: "",
      step,
      idempotencyKey: null,
      // RFC 5321 §3.8: the whole service is not available, rather than this mail not wanted.
      isFault: (error) => error instanceof UpstreamError && error.status === 421,
      async run(tally) {
        try {
          const socket = await dial(connecting, {
            target,
            connection,
            alpn: [],
            tally,
            signal: end.signal,
          });
          const { certificateAuthorities } = connecting;
          session = openSession({
            connection,
            target,
            socket,
            certificateAuthorities,
            tally,
            end,
          });
          await session.begin();
          return await work(session, tally);
        } catch (error) {
          const { responseCode } = error as { responseCode?: number };
          if (typeof responseCode === "number") tally.status = responseCode;
          if (end.over) {
            const { reason } = end;
            if (reason instanceof CallTimeUp) throw timeoutError(what, reason, timeoutMs, !taken());
            throw reason;
          }
          throw smtpError(what, error, taken());
        } finally {
          session?.close();
        }
      },
    });
  } finally {
    end.stop();
  }
}

/** @throws OutboundRefusedError */
function targetOf({ baseUrl }: Connection): Target {
  const hasPort = /:[0-9]+\/?$/.test(baseUrl);
  const port = baseUrl.startsWith("smtps:") ? SUBMISSIONS_PORT : SUBMISSION_PORT;
  return readProtocolTarget(hasPort ? baseUrl : `${baseUrl.replace(/\/$/, "")}:${port}`, "smtp");
}
