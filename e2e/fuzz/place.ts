import { METHODS } from "node:http";
import type { ApiDocument, Operation } from "./operations.ts";
import type { WireRequest } from "./wire-request.ts";

/** Where a request is addressed, by the document alone. */
export type Place =
  /** A target that may be read in more ways than one; or a method that is no HTTP. */
  | { kind: "odd" }
  | { kind: "nowhere" }
  | { kind: "operation"; operation: Operation; head: boolean }
  /** The path exists, not for this method. */
  | { kind: "other method"; allow: string };

const plainTarget = /^(?:\/[A-Za-z0-9._~@,:!$&'()*+=-]*)+(?:\?[\u0021-\u0022\u0024-\u007e]*)?$/;

/** Finds the operation that a request is for. */
export function placeOf({ operations }: ApiDocument, { method, target }: WireRequest): Place {
  const [path = ""] = target.split("?", 1);
  const segments = path.split("/");
  const isPlain = plainTarget.test(target) && !segments.some((one) => one === "." || one === "..");
  if (!isPlain || !METHODS.includes(method) || method === "CONNECT") return { kind: "odd" };
  const fits = operations.filter((one) => matches(one.path.split("/"), segments));
  const fixed = (one: Operation): number =>
    one.path.split("/").filter((s) => !s.startsWith("{")).length;
  const most = Math.max(0, ...fits.map(fixed));
  const here = fits.filter((one) => fixed(one) === most);
  if (here.length === 0) return { kind: "nowhere" };
  const wanted = method === "HEAD" ? "GET" : method;
  const operation = here.find((one) => one.method === wanted);
  if (operation !== undefined) return { kind: "operation", operation, head: method === "HEAD" };
  const methods = [...here.map((one) => one.method), "OPTIONS"];
  if (methods.includes("GET")) methods.push("HEAD");
  return { kind: "other method", allow: methods.sort().join(", ") };
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  return (
    template.length === segments.length &&
    template.every((one, at) => (one.startsWith("{") ? segments[at] !== "" : one === segments[at]))
  );
}
