import { problems, problemSchema, type ProblemCode } from "@tl-engine/contract";
import type { RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import { headersOf, type AnswerHeader } from "./openapi-headers.ts";

type Responses = RouteConfig["responses"];

/** Either credential opens an endpoint. */
export const anyCredential = [{ apiKey: [] }, { bearer: [] }];

/** tl-plane's key alone opens an endpoint. */
export const planeCredential = [{ apiKey: [] }];

/** What every endpoint that needs a credential may answer. */
const always = [
  "unauthorized",
  "rate_limited",
  "forbidden",
  "malformed_request",
  "unavailable",
] as const;

/** The answers of an endpoint that are problems, by status; those that any credential meets are always there. */
export function problemsOf(...codes: ProblemCode[]): Responses {
  return problemResponses([...always, ...codes]);
}

function problemResponses(codes: readonly ProblemCode[]): Responses {
  const byStatus = Map.groupBy(codes, (code) => problems[code].status);
  const entries = [...byStatus].map(([status, together]) => [
    status,
    {
      description: together.map((code) => `\`${code}\`: ${problems[code].title}`).join("; "),
      content: { "application/problem+json": { schema: problemSchema } },
    },
  ]);
  return Object.fromEntries(entries) as Responses;
}

/** A JSON answer, with the headers that not every answer has. */
export function json(description: string, schema: z.ZodType, ...headers: AnswerHeader[]) {
  return {
    description,
    headers: headersOf(...headers),
    content: { "application/json": { schema } },
  };
}

/** The answer to an `If-None-Match` that still holds. */
export const notModified = {
  description: "Nothing has changed since the ETag that was sent",
  headers: headersOf("ETag", "Retry-After"),
};

/** What an endpoint that asks for no credential may refuse. */
export function publicProblemsOf(...codes: ProblemCode[]): Responses {
  return problemResponses(["malformed_request", ...codes]);
}

/** A JSON body. */
export function jsonRequest(schema: z.ZodType, required = true) {
  return { required, content: { "application/json": { schema } } };
}

const idParameter = (description: string) => z.string().meta({ description });

export const engineIdParameter = z.object({
  engine_id: idParameter("An engine such as `resize`, or one of its versions: `resize@2`"),
});
export const executionIdParameter = z.object({ execution_id: idParameter("An execution's id") });
export const callIdParameter = z.object({ call_id: idParameter("An outbound call's id") });
export const keyIdParameter = z.object({ key_id: idParameter("A key's id") });
export const callbackIdParameter = z.object({
  callback_id: idParameter("A callback's id, which is its `webhook-id`"),
});
export const webhookEndpointIdParameter = z.object({
  webhook_endpoint_id: idParameter("A webhook endpoint's id"),
});
export const connectionIdParameter = z.object({
  connection_id: idParameter("A connection's id"),
});

/** Query members of a list. */
export const pageQuery = {
  cursor: z.string().optional().meta({ description: "`next_cursor` of the page before" }),
  limit: z.int().min(1).max(100).optional().meta({ description: "Default 50" }),
};

export const submitHeaders = z.object({
  "Idempotency-Key": z.string().optional().meta({
    description:
      "1 to 255 visible characters; the same request sent again is answered with the same execution",
  }),
  Prefer: z.string().optional().meta({
    description: "`wait=20`: hold the answer for up to 60 s until the execution is done",
  }),
});

export const waitQuery = z.int().min(1).max(60).optional().meta({
  description:
    "Hold the answer for so many seconds until the execution is done (with If-None-Match: until its ETag differs)",
});
export const conditionalHeaders = z.object({
  "If-None-Match": z.string().optional().meta({ description: "The ETag that is known already" }),
});
