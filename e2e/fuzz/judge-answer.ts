import type { CheckBody } from "./answer-schemas.ts";
import type { KnownCaller } from "./callers.ts";
import type { Exchange } from "./exchange.ts";
import type { Finding } from "./finding.ts";
import { headerOf, type HttpAnswer } from "./http-answer.ts";
import { statusesByAccess } from "./judge-access.ts";
import { judgeHeaders } from "./judge-headers.ts";
import { codeOf, isUnread, judgeProblem } from "./judge-problem.ts";
import { judgeTaken } from "./judge-taken.ts";
import { placeOf, type Place } from "./place.ts";
import { bytesOf, type WireRequest } from "./wire-request.ts";
import type { World } from "./world.ts";

/** Longest time for an answer, ms; a wait of a second comes on top where one may have been asked for. */
export const answerWithinMs = 5_000;
const waitMs = 1_000;

export interface Judge {
  (request: WireRequest, exchange: Exchange): Finding[];
}

/** Makes the judge of answers to requests that are framed well. */
export function createJudge(world: World, checkBody: CheckBody, secrets: readonly string[]): Judge {
  const hidden = [...secrets, ...world.callers.masks.keys()];
  return (request, exchange) => {
    const place = placeOf(world.document, request);
    const where = place.kind === "operation" ? place.operation.name : place.kind;
    const [answer] = exchange.answers;
    const status = answer?.status ?? "no answer";
    const finding = (what: string): Finding => ({
      kind: `${where} → ${status}: ${what.replaceAll(/[0-9a-f-]{36}|\d{3,}/g, "…").slice(0, 160)}`,
      detail: what,
    });
    if (answer === undefined) return [finding(`the connection is ${exchange.end}`)];
    const wrong: string[] = [];
    if (exchange.ms > answerWithinMs + waitMs) wrong.push(`took longer than ${answerWithinMs} ms`);
    if (exchange.rest.length > 0) wrong.push("more than one answer came");
    const caller = world.callers.identify(request);
    const unread = isUnread(answer);
    wrong.push(
      ...judgeStatus(place, caller, answer, unread),
      ...judgeHeaders(request, place, caller, answer, unread),
      ...judgeBody(request, place, answer, checkBody),
      ...(answer.status < 300 ? judgeTaken(request, place, checkBody) : []),
      ...world.submits.judge(request, answer),
      ...judgeSecrecy(world, request, place, caller, answer, hidden),
    );
    return wrong.map(finding);
  };
}

function judgeStatus(
  place: Place,
  caller: KnownCaller | null,
  answer: HttpAnswer,
  unread: boolean,
): string[] {
  const { status } = answer;
  if (status >= 500) return ["a failure"];
  if (unread) return [];
  const code = codeOf(answer);
  switch (place.kind) {
    case "odd":
      return [];
    case "nowhere":
      return status === 404 ? [] : ["no such path, and not 404"];
    case "other method": {
      if (
        headerOf(answer, "allow") !== place.allow &&
        headerOf(answer, "access-control-allow-methods") !== place.allow
      ) {
        // A preflight of an origin that is not configured is told nothing.
        const isPreflight = status === 204 && headerOf(answer, "vary") === "Origin";
        if (!isPreflight) return [`Allow is ${headerOf(answer, "allow")}`];
      }
      return status === 405 || status === 204 ? [] : ["another method, and not 405"];
    }
    case "operation": {
      const { operation, head } = place;
      const wrong: string[] = [];
      const byAccess = statusesByAccess(operation, caller);
      if (byAccess !== null && !byAccess.includes(status))
        wrong.push(`by access it is ${byAccess.join()}`);
      if (byAccess === null && status === 401) wrong.push("a good credential is refused");
      const documented = operation.responses.get(status);
      if (documented === undefined) return [...wrong, `is not documented (${code})`];
      if (status >= 400 && !head && code !== null && !documented.codes.has(code))
        wrong.push(`${code} is not documented`);
      return wrong;
    }
  }
}

function judgeBody(
  request: WireRequest,
  place: Place,
  answer: HttpAnswer,
  checkBody: CheckBody,
): string[] {
  const { status, body } = answer;
  const isEmpty = request.method === "HEAD" || status === 204 || status === 304;
  if (isEmpty) return body.length === 0 ? [] : ["has a body"];
  if (status >= 400) return judgeProblem(answer);
  const media = headerOf(answer, "content-type") ?? "none";
  const wrong: string[] = [];
  if (place.kind === "operation") {
    const { operation } = place;
    const documented = operation.responses.get(status)?.content ?? new Set();
    const [type = ""] = media.split(";", 1);
    if (documented.size > 0 && !documented.has(type)) wrong.push(`is ${media}`);
    if (type === "application/json") {
      const found = checkBody.ofAnswer(operation.path, operation.method, status, parse(body));
      if (found !== null) wrong.push(`does not fit the document: ${found}`);
    }
  }
  return wrong;
}

const openPaths = /^\/(?:openapi\.json|docs(?:\/[^/]+)?|healthz|readyz)$/;
const ids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Nobody sees what is not his. */
function judgeSecrecy(
  world: World,
  request: WireRequest,
  place: Place,
  caller: KnownCaller | null,
  answer: HttpAnswer,
  secrets: readonly string[],
): string[] {
  const wrong: string[] = [];
  const text = answer.body.toString("utf8");
  const all = `${[...answer.headers.values()].join("\n")}\n${text}`;
  if (secrets.some((secret) => all.includes(secret))) wrong.push("shows a secret");
  if (caller === null && place.kind === "odd" && answer.status < 300 && answer.status !== 204) {
    if (!openPaths.test(normalPath(request.target))) wrong.push("let nobody in by an odd path");
  }
  if (caller?.kind === "plane") return wrong;
  const asked = bytesOf(request, "").toString("latin1").toLowerCase();
  for (const [id] of text.matchAll(ids)) {
    const owner = world.book.owners.get(id);
    const isForeign = owner !== undefined && owner !== caller?.name;
    if (isForeign && (!asked.includes(id) || text.includes(`"execution_id":"${id}"`))) {
      wrong.push(`shows an execution of another caller (${owner} → ${caller?.name ?? "nobody"})`);
      break;
    }
  }
  return wrong;
}

function normalPath(target: string): string {
  try {
    return decodeURI(new URL(target, "http://x").pathname);
  } catch {
    return target;
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return body.toString("utf8");
  }
}
