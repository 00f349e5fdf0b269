import type { KnownCaller } from "./callers.ts";
import { headerOf, type HttpAnswer } from "./http-answer.ts";
import type { WireRequest } from "./wire-request.ts";
import type { World } from "./world.ts";

const uuidAtEnd = /^\/api\/v1\/executions\/([0-9a-f-]{36})$/;
const connectionAtEnd = /^\/api\/v1\/connections\/([a-z0-9._-]+)$/;
const endpointAtEnd = /^\/api\/v1\/webhook-endpoints\/(whe_[0-9a-z]{24})$/;
const engineAtEnd = /^\/api\/v1\/engines\/([a-z0-9._-]+)@1$/;
const keyAtEnd = /^\/api\/v1\/keys\/([0-9A-Za-z]{12})$/;

/**
 * Takes from an answer what later requests can use, and books what was accepted.
 *
 * @param request null: bytes that held several, or none
 */
export function learn(
  {
    book,
    submits,
    executions,
    open,
    keys,
    connections,
    remoteEngines,
    webhookEndpoints,
    etags,
    cursorsOf,
  }: World,
  caller: KnownCaller | null,
  answer: HttpAnswer,
  request: WireRequest | null,
): void {
  if (answer.status >= 300) return;
  const location = headerOf(answer, "location") ?? "";
  const accepted = uuidAtEnd.exec(location)?.[1];
  if (accepted !== undefined) {
    book.accepted(accepted, caller?.name ?? "nobody", answer.headers.has("idempotency-replayed"));
    executions.add(accepted);
    if (request !== null) submits.keep(request, accepted);
    if (answer.body.includes('"status":"scheduled"')) open.add(accepted);
  }
  const key = keyAtEnd.exec(location)?.[1];
  if (key !== undefined) keys.add(key);
  const connection = connectionAtEnd.exec(location)?.[1];
  if (connection !== undefined) connections.add(connection);
  const engine = engineAtEnd.exec(location)?.[1];
  if (engine !== undefined) remoteEngines.add(engine);
  const endpoint = endpointAtEnd.exec(location)?.[1];
  if (endpoint !== undefined) webhookEndpoints.add(endpoint);
  const etag = headerOf(answer, "etag");
  if (etag !== undefined) etags.add(etag);
  const cursor = /"next_cursor":"([\w-]+)"/.exec(answer.body.toString("utf8"))?.[1];
  const [path = ""] = request?.target.split("?", 1) ?? [];
  if (cursor !== undefined) cursorsOf(path).add(cursor);
}
