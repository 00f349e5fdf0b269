/** What BullMQ delivers through. */
export type Backend = "redis" | "postgres";
export const bothBackends = ["redis", "postgres"] as const;
