import { type HttpResponse, TerminalError } from "@tl-engine/engine-kit";

/** A body as callers get it. */
export interface ReadBody {
  readonly body: unknown;
  readonly body_encoding: "json" | "text" | "base64" | "none";
}

const JSON_TYPE = /^application\/(?:[a-z0-9.+_-]{1,64}\+)?json$/;
const TEXT_TYPE =
  /^(?:text\/.{1,64}|(?:application|image)\/(?:[a-z0-9.+_-]{1,64}\+)?(?:xml|yaml)|application\/(?:javascript|graphql|x-www-form-urlencoded|x-ndjson))$/;
/** Results may be nested up to 256 deep, and the body is not their outermost value. */
const MAX_DEPTH = 250;

/**
 * Gives a body in the form that was asked for. `auto` goes by Content-Type and never fails: JSON that
 * is broken, or that a result can't hold (a NUL, half a surrogate pair, a number like 1e400), is given
 * as text, and text that is none as base64.
 *
 * @throws TerminalError `upstream_error` where `text` was asked for and the body is none; for `json`
 *   what the answer itself throws.
 */
export function readBody(
  answer: HttpResponse,
  response: "auto" | "json" | "text" | "base64",
): ReadBody {
  if (answer.bytes.length === 0) return { body: null, body_encoding: "none" };
  switch (response) {
    case "json":
      return { body: answer.json(), body_encoding: "json" };
    case "text": {
      const text = answer.text();
      if (isText(text)) return { body: text, body_encoding: "text" };
      throw new TerminalError("The answer's body is not text; ask for base64", {
        code: "upstream_error",
      });
    }
    case "base64":
      return base64(answer);
    case "auto":
      return byContentType(answer);
  }
}

function byContentType(answer: HttpResponse): ReadBody {
  const [type = ""] = (answer.headers["content-type"] ?? "").toLowerCase().split(";");
  const mediaType = type.trim();
  if (mediaType !== "" && !JSON_TYPE.test(mediaType) && !TEXT_TYPE.test(mediaType)) {
    return base64(answer);
  }
  const text = answer.text();
  if (JSON_TYPE.test(mediaType)) {
    const value = parsed(text);
    if (value !== undefined && isKeepable(value, MAX_DEPTH)) {
      return { body: value, body_encoding: "json" };
    }
  }
  // U+FFFD stands for bytes that are no text in the charset that was said.
  return isText(text) && !text.includes("\ufffd")
    ? { body: text, body_encoding: "text" }
    : base64(answer);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether a parsed value comes through a result unchanged. */
function isKeepable(value: unknown, depth: number): boolean {
  if (typeof value === "string") return isText(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return (
    depth > 0 &&
    Object.entries(value).every(([name, member]) => isText(name) && isKeepable(member, depth - 1))
  );
}

/** Postgres keeps no NUL, and half a surrogate pair is no character. */
function isText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function base64({ bytes }: HttpResponse): ReadBody {
  return { body: Buffer.from(bytes).toString("base64"), body_encoding: "base64" };
}
