import { isDeepStrictEqual } from "node:util";
import { type WebSocketMessage } from "@tl-engine/engine-kit";

export interface Wanted {
  readonly contains?: string | undefined;
  readonly json?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A question to each message: whether it is the one that was waited for. With both members it has to answer to both.
 * Undefined where nothing is waited for.
 */
export function createMatcher({
  contains,
  json,
}: Wanted): ((message: WebSocketMessage) => boolean) | undefined {
  if (contains === undefined && json === undefined) return undefined;
  return ({ data }) =>
    typeof data === "string" &&
    (contains === undefined || data.includes(contains)) &&
    (json === undefined || hasMembers(data, json));
}

function hasMembers(text: string, wanted: Readonly<Record<string, unknown>>): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  const members = value as Record<string, unknown>;
  return Object.entries(wanted).every(
    ([name, member]) => Object.hasOwn(members, name) && isDeepStrictEqual(members[name], member),
  );
}
