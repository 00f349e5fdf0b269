import type { RouteConfig } from "@hono/zod-openapi";
import type { Scope } from "@tl-engine/contract";
import type { Context } from "hono";
import type { ApiDeps } from "./api-deps.ts";
import type { ApiEnv } from "./api-env.ts";

/** What a caller needs to come in: a scope, or `any_execute`: any scope that lets him execute some engine. */
export type Access = Scope | "any_execute";

/** A request as a handler sees it. */
export type ApiContext = Context<ApiEnv>;

/** One endpoint: what the document says of it, who may call it, and what it does. */
export interface Endpoint {
  /** Method, path and schemas, as OpenAPI writes them. */
  route: RouteConfig;
  /** `public`, a scope, or a scope that depends on the request; `own`: a credential of its own, which it checks itself. */
  access: "public" | "own" | Access | ((c: ApiContext) => Access);
  handle(c: ApiContext, deps: ApiDeps): Response | Promise<Response>;
}

/**
 * Which of a caller's budgets a request to the endpoint costs: reads of statuses and executions have their own, so
 * that polling never eats the right to submit.
 */
export function budgetOf({ route }: Endpoint): "requests" | "reads" {
  const polled = route.path.endsWith("/status") || route.path.startsWith("/api/v1/executions");
  return route.method === "get" && polled ? "reads" : "requests";
}
