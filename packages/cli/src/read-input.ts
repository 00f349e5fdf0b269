import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { UsageError } from "./usage-error.ts";

/** Where an execution's input comes from; each text is `@file`, `-` (stdin) or the thing itself. */
export interface InputOptions {
  /** The whole input as JSON. */
  input?: string | undefined;
  /** Members whose value is text as it is. */
  inputText?: readonly [string, string][] | undefined;
  /** Members whose value is JSON. */
  inputJson?: readonly [string, string][] | undefined;
}

/**
 * The input of an execution.
 *
 * @throws UsageError when there is none, a file can't be read, or JSON is broken or would change on its way
 */
export async function readInput(options: InputOptions, stdin: Readable): Promise<unknown> {
  const { input, inputText = [], inputJson = [] } = options;
  const sources = [input, ...inputText.map(([, s]) => s), ...inputJson.map(([, s]) => s)];
  if (sources.filter((source) => source === "-").length > 1) {
    throw new UsageError("stdin (-) can be read only once.");
  }
  if (sources.every((source) => source === undefined)) {
    throw new UsageError(
      "what is the input? Give --input '{…}', --input @file.json, --input - for stdin, or --input-text member=@file.",
    );
  }
  const whole =
    input === undefined ? {} : parseJson(await readSource(input, stdin), `--input ${label(input)}`);
  if (inputText.length === 0 && inputJson.length === 0) return whole;
  if (typeof whole !== "object" || whole === null || Array.isArray(whole)) {
    throw new UsageError("--input must be a JSON object, so that members can be added to it.");
  }
  // By entries: an assignment to a member named __proto__ would change something else.
  const members: [string, unknown][] = Object.entries(whole);
  for (const [name, source] of inputText) members.push([name, await readSource(source, stdin)]);
  for (const [name, source] of inputJson) {
    const text = await readSource(source, stdin);
    members.push([name, parseJson(text, `--input-json ${name}=${label(source)}`)]);
  }
  return Object.fromEntries(members);
}

/**
 * A text: `@file`, `-` for stdin, or the thing itself.
 *
 * @throws UsageError when a file can't be read, or is not UTF-8
 */
export async function readSource(source: string, stdin: Readable): Promise<string> {
  if (source === "-") return decode(await readAll(stdin), "stdin");
  if (!source.startsWith("@")) return source;
  const path = resolve(source.slice(1));
  try {
    return decode(await readFile(path), path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new UsageError(
      code === "ENOENT" ? `there is no file ${path}.` : `${path} can't be read: ${String(error)}`,
    );
  }
}

async function readAll(stdin: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks);
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${name} is not UTF-8 text.`);
  }
}

/** @throws UsageError when JSON is broken or would change on its way */
export function parseJson(text: string, name: string): unknown {
  // The reviver's third argument (ES2026, in Node 24) has the number's own text.
  type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
  const keepNumbers: Reviver = (_, value, { source }) => {
    if (typeof value === "number" && source !== undefined && isChanged(value, source)) {
      throw new UsageError(
        `${name}: the number ${source} can't be sent as it is; write it as a string.`,
      );
    }
    return value;
  };
  try {
    return JSON.parse(text, keepNumbers as Parameters<typeof JSON.parse>[1]);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** Whether reading and writing it again would give another number. */
function isChanged(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return true;
  return /^-?\d+$/.test(source) && !Number.isSafeInteger(value);
}

/** How a message names a source: files by name, JSON itself not at all. */
function label(source: string): string {
  return source === "-" || source.startsWith("@") ? source : "(as given)";
}
