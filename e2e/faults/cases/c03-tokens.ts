import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { bothBackends } from "../backend.ts";
import type { FaultCase } from "../case.ts";
import { oneOf } from "../faults/fault.ts";
import { startPeer } from "../outside/peer.ts";
import { troublesOn } from "../outside/troubles.ts";

/** The token endpoint takes so long, so that faults find somebody who waits for it, ms. */
const fetchTakesMs = 150;

export const faultCase: FaultCase = {
  id: "C3",
  promise:
    "300 executions in 3 workers through an OAuth connection whose tokens live for seconds, with faults at random: no more fetches than renewals and faults, and no attempt fails for a token",
  backends: bothBackends,
  short: false,
  async run(context) {
    const lifeMs = context.size(4_000, 10_000);
    /** Each token that was given, and until when it is taken. */
    const tokens = new Map<string, number>();
    const fetches: { at: number }[] = [];
    let calls = 0;
    let refused = 0;
    const peer = await startPeer(({ path, headers, at }, response) => {
      if (path === "/token") {
        fetches.push({ at });
        setTimeout(() => {
          const token = `token-${fetches.length}-${context.random()}`;
          tokens.set(token, performance.now() + lifeMs);
          response.setHeader("content-type", "application/json");
          const body = { access_token: token, token_type: "Bearer", expires_in: lifeMs / 1_000 };
          response.end(JSON.stringify(body));
        }, fetchTakesMs);
        return;
      }
      calls += 1;
      const until = tokens.get(headers.authorization?.replace("Bearer ", "") ?? "");
      const isGood = until !== undefined && at < until;
      if (!isGood) refused += 1;
      response.writeHead(isGood ? 200 : 401).end();
    });
    try {
      const bed = await context.startBed({
        engines: ["crm"],
        env: { TL_OUTBOUND_ALLOW: peer.address },
        alone: true,
      });
      await bed.client().connections.create({
        id: "crm",
        kind: "http",
        base_url: peer.url,
        auth: {
          type: "oauth2_client_credentials",
          token_url: `${peer.url}/token`,
          client_id: "me",
          client_auth: "post",
          client_secret: "cl13nt-s3cret-of-the-bed",
        },
      });
      const ledger = await context.openLedger(bed, ["crm.contact"], { refusalsExpected: true });
      const count = context.size(60, 300);
      let over = false;
      const load = ledger.load({
        engine: "crm.contact",
        input: () => ({}),
        goOn: () => !over || ledger.orders.size < count,
        parallel: 4,
        paceMs: context.size(150, 400),
      });
      const struck: string[] = [];
      const strikes = context.size(3, 10);
      for (let n = 0; n < strikes; n++) {
        await delay(context.random() * lifeMs);
        const trouble = oneOf(context, troublesOn(context.backend), "trouble");
        struck.push(trouble.name);
        await trouble.strike(bed, context, context.size(2_000, 5_000));
      }
      over = true;
      await load;
      const { executions, moves } = await ledger.audit(context.promised(60));
      context.say(struck.join("; "));

      // A token is renewed at half of its life, counted from when it was asked for. Whoever fetches sooner has lost one.
      const early = fetches.filter(({ at }, n) => {
        const before = fetches[n - 1];
        return before !== undefined && at - before.at < lifeMs / 2 - fetchTakesMs;
      });
      context.say(
        `${fetches.length} fetches for ${executions.size} executions and ${calls} calls, ${early.length} of them early; ${refused} calls refused`,
      );
      assert(
        early.length <= strikes,
        `${early.length} fetches came early, after ${strikes} faults: ${JSON.stringify(fetches)}`,
      );
      // A call for each start, and one more for each that came with a token of yesterday.
      const starts = moves.filter(({ to }) => to === "running").length;
      assert(calls - refused <= starts, `${calls} calls of ${starts} starts`);
    } finally {
      await peer.close();
    }
  },
};
