/** What a process that starts says while it waits; `reason` is the word that readiness gives. */
export function waitingWords(reason: string): string {
  if (reason === "migrations") return "waiting for migrations: npm run migrate";
  return reason === "postgres" ? "waiting for PostgreSQL" : `waiting for ${reason}`;
}
