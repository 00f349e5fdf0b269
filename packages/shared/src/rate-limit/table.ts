/** Rate limits' counters where there is no Redis; reached by one upsert in `postgres-rate-limiter.ts`. */
export interface RateLimitsTable {
  name: string;
  used: string;
  granted: string;
  expires_at: Date;
}
