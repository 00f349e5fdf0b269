import { outboundProtocols, outboundPurposes } from "@tl-engine/contract";
import type { CallFilters } from "@tl-engine/shared/outbound-log/list-calls.ts";
import { parseEngineRef } from "./engine-ref.ts";
import { readExecutionId } from "./execution-answer.ts";
import { malformed, readInteger, readTime } from "./query.ts";

/** Query parameters that narrow a list of outbound calls. */
export const callFilterNames = [
  "execution_id",
  "engine",
  "connection",
  "protocol",
  "host",
  "status",
  "result",
  "error_code",
  "purpose",
  "attempt",
  "started_after",
  "started_before",
] as const;

export type CallQuery = Partial<Record<(typeof callFilterNames)[number], string>>;

/** How a call ended, as far as a list tells. */
export const callResults = ["ok", "failed"] as const;

const connectionId = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const errorCode = /^[a-z][a-z0-9_]{0,39}$/;

/** @throws Refusal 400 */
export function readCallFilters(query: CallQuery): CallFilters {
  const executionId = query.execution_id && readExecutionId(query.execution_id);
  if (executionId === null || query.execution_id === "") {
    throw malformed("The query parameter execution_id is an execution's id");
  }
  const engine = query.engine === undefined ? undefined : parseEngineRef(query.engine);
  if (engine === null || (engine !== undefined && engine.version !== null)) {
    throw malformed("The query parameter engine is an engine's id, without a version");
  }
  const protocol = oneOf("protocol", query.protocol, outboundProtocols);
  const result = oneOf("result", query.result, callResults);
  const purpose = oneOf("purpose", query.purpose, outboundPurposes);
  const connection = matching("connection", query.connection, connectionId, "a connection's id");
  const code = matching("error_code", query.error_code, errorCode, "an error's code");
  const host = matching("host", query.host, /^.{1,300}$/, "a host, with its port where it has one");
  const status = readStatus(query.status);
  const attempt = readInteger("attempt", query.attempt, 1, 1_000);
  const startedAfter = readTime("started_after", query.started_after);
  const startedBefore = readTime("started_before", query.started_before);
  return {
    ...(executionId && { executionId }),
    ...(engine && { engine: engine.id }),
    ...(protocol && { protocol }),
    ...(result && { result }),
    ...(purpose && { purpose }),
    ...(connection && { connection }),
    ...(code && { errorCode: code }),
    ...(host && { host: host.toLowerCase() }),
    ...(status && { status }),
    ...(attempt && { attempt }),
    ...(startedAfter && { startedAfter }),
    ...(startedBefore && { startedBefore }),
  };
}

function oneOf<Word extends string>(
  name: string,
  text: string | undefined,
  words: readonly Word[],
): Word | undefined {
  const word = words.find((known) => known === text);
  if (text === undefined || word !== undefined) return word;
  throw malformed(`The query parameter ${name} is one of ${words.join(", ")}`);
}

function matching(
  name: string,
  text: string | undefined,
  pattern: RegExp,
  what: string,
): string | undefined {
  if (text === undefined || pattern.test(text)) return text;
  throw malformed(`The query parameter ${name} is ${what}`);
}

/** `404`, or all of a class: `5xx`. */
function readStatus(text: string | undefined): { from: number; to: number } | undefined {
  if (text === undefined) return undefined;
  const [, hundreds] = /^([1-5])xx$/.exec(text) ?? [];
  if (hundreds !== undefined)
    return { from: Number(hundreds) * 100, to: Number(hundreds) * 100 + 99 };
  if (!/^[0-9]{1,4}$/.test(text)) {
    throw malformed("The query parameter status is a status such as 404, or a class such as 5xx");
  }
  return { from: Number(text), to: Number(text) };
}
