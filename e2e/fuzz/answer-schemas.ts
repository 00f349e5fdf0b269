import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { ApiDocument } from "./operations.ts";

/** Says what is wrong with JSON bodies by the document; null: nothing. */
export interface CheckBody {
  ofRequest(path: string, method: string, body: unknown): string | null;
  ofAnswer(path: string, method: string, status: number, body: unknown): string | null;
}

/**
 * Checks bodies against the document's own schemas, and answers more strictly than they say: a member that is not
 * described is wrong, since clients would begin to rely on it.
 */
export function createBodyCheck({ raw }: ApiDocument): CheckBody {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    validateFormats: true,
    ownProperties: true,
  });
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addSchema({ ...raw, $id: "requests" });
  ajv.addSchema({ ...(closed(raw) as object), $id: "answers" });
  const compiled = new Map<string, ValidateFunction>();
  const check = (document: string, path: readonly string[], body: unknown): string | null => {
    const ref = `${document}#/${path.map(token).join("/")}`;
    let validate = compiled.get(ref);
    if (validate === undefined) {
      validate = ajv.compile({ $ref: ref });
      compiled.set(ref, validate);
    }
    if (validate(body)) return null;
    return ajv.errorsText(validate.errors?.slice(0, 5), { dataVar: "body" });
  };
  return {
    ofRequest(path, method, body) {
      const own = ["paths", path, method.toLowerCase(), "requestBody", "content"];
      return check("requests", [...own, "application/json", "schema"], body);
    },
    ofAnswer(path, method, status, body) {
      const media = mediaOf(raw, path, method, status);
      const own = ["paths", path, method.toLowerCase(), "responses", String(status), "content"];
      return check("answers", [...own, media, "schema"], body);
    },
  };
}

/** What kind of JSON a status has. */
function mediaOf(raw: object, path: string, method: string, status: number): string {
  const { paths } = raw as {
    paths: Record<string, Record<string, { responses: Record<string, { content?: object }> }>>;
  };
  const content = paths[path]?.[method.toLowerCase()]?.responses[String(status)]?.content ?? {};
  return Object.keys(content).find((media) => media.endsWith("json")) ?? "application/json";
}

function token(text: string): string {
  return encodeURIComponent(text.replaceAll("~", "~0").replaceAll("/", "~1"));
}

/** A copy in which objects with described members have no others. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, closed(member)]),
  );
  const isObjectSchema =
    "properties" in value &&
    [copy["type"]].flat().includes("object") &&
    !("additionalProperties" in value);
  return isObjectSchema ? { ...copy, additionalProperties: false } : copy;
}
