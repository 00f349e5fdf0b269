export * from "./duration.ts";
export * from "./scopes.ts";
export * from "./problem.ts";
export * from "./execution.ts";
export * from "./submit.ts";
export * from "./engines.ts";
export * from "./keys.ts";
export * from "./health.ts";
