import fc from "fast-check";
import type { Deployment } from "../support/deployment.ts";
import { createBodyCheck } from "./answer-schemas.ts";
import { fuzzCases, type FuzzCase } from "./cases.ts";
import { exchangeOnce, openLine, type Exchange } from "./exchange.ts";
import type { Finding } from "./finding.ts";
import { watchHealth } from "./health-watch.ts";
import { answerWithinMs, createJudge } from "./judge-answer.ts";
import { judgeRaw } from "./judge-raw.ts";
import { learn } from "./learn.ts";
import { placeOf } from "./place.ts";
import { showBytes, showRequest } from "./show-request.ts";
import { bytesOf } from "./wire-request.ts";
import { makeWorld, type World } from "./world.ts";

export interface FuzzOptions {
  deployment: Deployment;
  databaseUrl: string;
  requests: number;
  /** The same seed makes the same requests, but for ids. */
  seed: number;
  /** Names of operations: `POST /api/v1/keys`; empty: all. */
  only?: readonly string[];
  say(text: string): void;
}

/** One defect with the smallest request that shows it. */
export interface ShownFinding extends Finding {
  readonly story: readonly string[];
  /** A command for the shell. */
  readonly command: string;
  /** Times that it was seen, shrinking left out. */
  times: number;
}

export interface FuzzReport {
  readonly requests: number;
  readonly findings: readonly ShownFinding[];
  /** What is wrong with the processes or the record, as sentences. */
  readonly troubles: readonly string[];
  /** Operation → how often it was answered with which status. */
  readonly statuses: ReadonlyMap<string, ReadonlyMap<number, number>>;
  readonly accepted: number;
}

/** Requests between two looks at the processes. */
const lookEvery = 500;
/** Requests that shrinking may cost for one finding. */
const maxShrinks = 200;
/** Longer than the API may hold anything, so that we see it late and not cut. */
const patienceMs = answerWithinMs + 5_000;

/** Sends requests of every kind, judges each answer, and at the end compares what was promised with the record. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { deployment, databaseUrl, requests, seed, only = [], say } = options;
  const world = await makeWorld(deployment, databaseUrl);
  const operations = world.document.operations.filter(
    ({ name }) => only.length === 0 || only.includes(name),
  );
  if (operations.length === 0) {
    const names = world.document.operations.map(({ name }) => name).join("\n  ");
    throw new Error(`There is no such operation; these are there:\n  ${names}`);
  }
  const sender = createSender(world, deployment.secrets);
  const health = watchHealth(deployment, (id) => world.book.accepted(id, "plane", false));
  const cases = fuzzCases(world, operations);
  const found = new Map<string, ShownFinding>();
  const troubles = new Set<string>(await health.look());
  let sent = 0;
  let looked = 0;

  for (let round = 0; sent < requests; round++) {
    let wanted: string | null = null;
    let shrinks = 0;
    const property = fc.asyncProperty(cases, async (one) => {
      if (wanted === null) sent += 1;
      else if (++shrinks > maxShrinks) return;
      const findings = await sender.send(one, wanted === null);
      for (const { kind } of findings) {
        const known = found.get(kind);
        if (known !== undefined && wanted === null) known.times += 1;
      }
      const news = findings.find(({ kind }) =>
        wanted === null ? !found.has(kind) : kind === wanted,
      );
      if (news === undefined) return;
      wanted = news.kind;
      found.set(news.kind, sender.show(one, news));
      throw new Error(news.kind);
    });
    await fc.check(property, {
      seed: seed + round,
      numRuns: Math.min(lookEvery - (sent % lookEvery), requests - sent),
    });
    if (sent - looked >= lookEvery || sent >= requests) {
      looked = sent;
      for (const trouble of await health.look()) {
        if (!troubles.has(trouble)) say(`  trouble: ${trouble}`);
        troubles.add(trouble);
      }
      say(`  ${sent} of ${requests} requests, ${found.size} findings`);
    }
    if (deployment.apis.some(({ ended }) => ended !== null)) break;
  }
  sender.close();
  const plane = deployment.client();
  for (const wrong of await world.book.audit(plane, sender.mayBeUnknown())) troubles.add(wrong);
  for (const trouble of await health.look()) troubles.add(trouble);
  return {
    requests: sent,
    findings: [...found.values()],
    troubles: [...troubles],
    statuses: sender.statuses,
    accepted: world.book.owners.size,
  };
}

interface Sender {
  /** @param counts false while shrinking */
  send(one: FuzzCase, counts: boolean): Promise<Finding[]>;
  show(one: FuzzCase, finding: Finding): ShownFinding;
  /** How many whole requests were given up without an answer. */
  mayBeUnknown(): number;
  readonly statuses: Map<string, Map<number, number>>;
  close(): void;
}

function createSender(world: World, secrets: readonly string[]): Sender {
  const { url, callers, document } = world;
  const host = new URL(url).host;
  const line = openLine(url);
  const judge = createJudge(world, createBodyCheck(document), secrets);
  const statuses = new Map<string, Map<number, number>>();
  let unknown = 0;
  const count = (name: string, { answers }: Exchange): void => {
    const own = statuses.get(name) ?? new Map<number, number>();
    statuses.set(name, own);
    for (const { status } of answers) own.set(status, (own.get(status) ?? 0) + 1);
  };

  return {
    async send(one, counts) {
      if (one.kind === "raw") {
        const exchange = await exchangeOnce(url, { ...one, withinMs: patienceMs });
        for (const answer of exchange.answers) learn(world, callers.known[0] ?? null, answer, null);
        if (exchange.answers.length < one.heads.length) unknown += 1;
        if (counts) count("raw", exchange);
        return judgeRaw(one, exchange);
      }
      const { request } = one;
      const exchange = await line.exchange({
        bytes: bytesOf(request, host),
        heads: [request.method === "HEAD"],
        withinMs: patienceMs,
      });
      const findings = judge(request, exchange);
      const caller = callers.identify(request);
      for (const answer of exchange.answers) learn(world, caller, answer, request);
      if (exchange.answers.length === 0) unknown += 1;
      const place = placeOf(document, request);
      if (counts) count(place.kind === "operation" ? place.operation.name : place.kind, exchange);
      return findings;
    },
    show(one, finding) {
      const [story, command] =
        one.kind === "raw"
          ? [[one.name], showBytes(one.bytes, url, callers.masks)]
          : [one.story, showRequest(one.request, url, callers.masks)];
      return { ...finding, story, command, times: 1 };
    },
    mayBeUnknown: () => unknown,
    statuses,
    close: () => line.close(),
  };
}
