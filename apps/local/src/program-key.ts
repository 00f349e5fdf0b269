import { changeSecrets, type LocalSecrets } from "./local-secrets.ts";

/**
 * The development program's key: the kept one if the API takes it, otherwise a new one, made as
 * tl-plane would make it and kept. A new database knows no old key.
 *
 * @throws Error when the API answers neither with success nor with 401
 */
export async function ensureProgramKey(
  url: string,
  planeKey: string,
  dataDir: string,
  secrets: LocalSecrets,
): Promise<string> {
  const kept = secrets.program_api_key;
  if (kept !== null && (await isTaken(url, kept))) return kept;
  const made = await fetch(`${url}/api/v1/keys`, {
    method: "POST",
    headers: { "X-API-Key": planeKey, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "local development" }),
  });
  const body = (await made.json()) as { key?: string; detail?: string };
  if (made.status !== 201 || body.key === undefined) {
    throw new Error(`The development key could not be made: ${made.status} ${body.detail ?? ""}`);
  }
  changeSecrets(dataDir, { program_api_key: body.key });
  return body.key;
}

async function isTaken(url: string, key: string): Promise<boolean> {
  const answer = await fetch(`${url}/api/v1/engines`, { headers: { "X-API-Key": key } });
  await answer.body?.cancel();
  if (answer.ok) return true;
  if (answer.status === 401) return false;
  // Spent (429) or a passing fault: it is known, and that is all that was asked.
  return true;
}
