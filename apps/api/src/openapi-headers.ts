import type { RouteConfig } from "@hono/zod-openapi";
import type { Endpoint } from "./endpoint.ts";

/** Every header of an answer that means something to callers, as the document describes it. */
export const answerHeaders = {
  "X-Request-Id": text("The request's id: the caller's own where it is plain, else a new one"),
  "X-RateLimit-Limit": whole(
    "Requests of this budget in a window; none of these five without a limit",
  ),
  "X-RateLimit-Remaining": whole("How many of them are left"),
  "X-RateLimit-Reset": whole("When the window ends, in seconds since 1970"),
  RateLimit: text('What is left and for how many seconds: `"default";r=999;t=3600`'),
  "RateLimit-Policy": text('The budget with its quota and window: `"default";q=1000;w=3600`'),
  "WWW-Authenticate": text("The credentials that are taken"),
  "Retry-After": whole("Seconds after which it is worth asking again"),
  Location: text("The lasting address of what was made or found"),
  ETag: text(
    "A weak tag over status, attempt, progress, wait reason and cancel; for If-None-Match",
  ),
  "Idempotency-Replayed": text(
    "`true`: the same request was accepted before, and this is its execution",
  ),
  "Preference-Applied": text("`wait`: the answer was held until the execution was done"),
};
export type AnswerHeader = keyof typeof answerHeaders;

function text(description: string) {
  return { description, schema: { type: "string" as const } };
}
function whole(description: string) {
  return { description, schema: { type: "integer" as const } };
}

/** Headers of one answer, pointing to their descriptions. */
export function headersOf(...names: AnswerHeader[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

const counted: AnswerHeader[] = [
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
  "RateLimit",
  "RateLimit-Policy",
];
const byStatus: Record<string, AnswerHeader[]> = {
  401: ["WWW-Authenticate"],
  429: ["Retry-After"],
  503: ["Retry-After"],
};

/** An endpoint's route with the headers that every answer of its kind carries. */
export function withCommonHeaders({ route, access }: Endpoint): RouteConfig {
  const responses = Object.entries(route.responses).map(([status, response]) => {
    const names: AnswerHeader[] = ["X-Request-Id"];
    if (access !== "public") {
      // Whoever was not recognised has no budget, nor has a credential that is good for one request.
      if (status !== "401" && access !== "own") names.push(...counted);
      names.push(...(byStatus[status] ?? []));
    }
    const { headers: own } = response as { headers?: ReturnType<typeof headersOf> };
    return [status, { ...response, headers: { ...headersOf(...names), ...own } }];
  });
  return { ...route, responses: Object.fromEntries(responses) as RouteConfig["responses"] };
}
