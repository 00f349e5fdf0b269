import { TerminalError } from "../errors.ts";
import { pointerOf } from "../schema/issue.ts";
import { isKeepable } from "./text.ts";

/** Deeper results are refused: readers of JSON differ in what they bear. */
export const maxOutputDepth = 256;

/**
 * Makes sure that an engine's result means the same once written as JSON. JSON.stringify alone
 * turns NaN into null, drops functions, empties Maps, and never ends where a value refers to
 * itself by way of new objects. A member that is `undefined` counts as absent.
 *
 * @throws TerminalError `output_invalid` with the pointer, or `output_too_large`
 */
export function assertPlainJson(value: unknown, maxBytes: number): void {
  const path: PropertyKey[] = [];
  const ancestors = new Set<object>();
  // Counts at least one byte for each value, so it also bounds the time that this takes.
  let bytes = 0;

  const refuse = (what: string): never => {
    throw new TerminalError(`The engine's output cannot be kept: ${where(path)} ${what}`, {
      code: "output_invalid",
      details: { pointer: shortPointer(path) },
    });
  };
  const count = (more: number) => {
    bytes += more;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
  };
  const text = (content: string, what: string) => {
    count(content.length + 2);
    if (!isKeepable(content)) {
      refuse(`${what} NUL or half of a surrogate pair; replace it, or send it as base64`);
    }
  };

  const visit = (at: unknown): void => {
    switch (typeof at) {
      case "string":
        return text(at, "has in its text a");
      case "boolean":
        return count(4);
      case "number":
        if (!Number.isFinite(at)) refuse(`is ${at}; JSON has no such number, give null`);
        return count(1);
      case "undefined":
        return refuse("is undefined; give null");
      case "bigint":
        return refuse("is a BigInt; give a string");
      case "symbol":
      case "function":
        return refuse(`is a ${typeof at}; JSON has none`);
      case "object":
        if (at === null) return count(4);
        return within(at);
    }
  };

  const within = (at: object): void => {
    if (ancestors.has(at)) refuse("refers to itself");
    if (ancestors.size >= maxOutputDepth) refuse(`is nested deeper than ${maxOutputDepth}`);
    ancestors.add(at);
    count(2);
    if (Array.isArray(at)) {
      for (let i = 0; i < at.length; i += 1) {
        path.push(i);
        visit(at[i]);
        path.pop();
      }
    } else {
      if (!isPlain(at)) refuse(`is a ${classOf(at)}; give plain objects, arrays, strings, numbers`);
      for (const key of Object.keys(at)) {
        path.push(key);
        const member = (at as Record<string, unknown>)[key];
        if (member !== undefined) {
          text(key, "has in its name a");
          visit(member);
        }
        path.pop();
      }
    }
    ancestors.delete(at);
  };

  try {
    visit(value);
  } catch (error) {
    if (error instanceof TerminalError) throw error;
    // A getter or a proxy of the engine's.
    throw new TerminalError(`The engine's output cannot be read: ${where(path)} throws when read`, {
      code: "output_invalid",
      cause: error,
    });
  }
}

/** The error for an output beyond its limit in bytes. */
export function tooLarge(maxBytes: number): TerminalError {
  return new TerminalError(
    `The engine's output is larger than ${maxBytes} bytes; store it elsewhere and return its address`,
    { code: "output_too_large", details: { limit_bytes: maxBytes } },
  );
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Object.prototype of any realm: a result may come out of node:vm.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function classOf(value: object): string {
  const { constructor } = value as { constructor?: { name?: unknown } };
  return typeof constructor?.name === "string" && constructor.name !== ""
    ? constructor.name
    : "class instance";
}

function where(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "the whole" : shortPointer(path);
}

function shortPointer(path: readonly PropertyKey[]): string {
  const pointer = pointerOf(path.slice(0, 20)).slice(0, 500);
  return (path.length > 20 ? `${pointer}/…` : pointer).toWellFormed().replaceAll("\0", "\ufffd");
}
