/** Variables of this process that are no engine's business: they hold the keys to everything. */
const ours = /^(TL_|PG|DATABASE_URL$|REDIS_URL$)/;

/** The environment as engines see it: without what configures tl-engine itself. */
export function engineEnv(
  env: Record<string, string | undefined>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}
