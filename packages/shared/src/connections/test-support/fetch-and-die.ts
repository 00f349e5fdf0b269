// A worker that is killed when it has fetched a token and kept nothing of it yet. Its only argument is JSON.
import { createOutbound, parseAllowList, type Connection } from "@tl-engine/outbound";
import { createTokenFetcher } from "@tl-engine/outbound/fetch-token";
import { openDatabase } from "../../db/database.ts";
import { createSecretBox } from "../../secrets/secret-box.ts";
import { createTokens } from "../oauth-tokens.ts";
import { deafSignals } from "./deaf-signals.ts";

interface Facts {
  connection: Connection;
  databaseUrl: string;
  boxKey: string;
  allow: string;
  leaseMs: number;
}

const facts = JSON.parse(process.argv[2] ?? "") as Facts;
const onError = (error: unknown): void => console.error(error);
const outbound = createOutbound({ allow: parseAllowList(facts.allow) });
const fetchToken = createTokenFetcher(async () => outbound, { record: () => undefined });

const tokens = createTokens({
  pool: openDatabase({ url: facts.databaseUrl, max: 1, applicationName: "test", onError }).pool,
  box: createSecretBox([facts.boxKey]),
  signals: deafSignals,
  async fetchToken(...ask) {
    const answer = await fetchToken(...ask);
    process.kill(process.pid, "SIGKILL");
    return answer;
  },
  onError,
  leaseMs: facts.leaseMs,
});
const cause = { executionId: "e-killed", attempt: 1, dispatch: 1 };
await tokens.token(facts.connection, null, cause, new AbortController().signal);
