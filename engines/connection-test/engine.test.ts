import type { HttpRequestOptions } from "@tl-engine/engine-kit";
import { runEngine } from "@tl-engine/engine-kit/testing";
import { expect, it } from "vitest";
import connectionTest from "./engine.ts";

it("makes one call through the connection that is named, and takes any answer", async () => {
  const asked: [connection: string | undefined, url: string, options: HttpRequestOptions][] = [];
  const output = await runEngine(
    connectionTest,
    { connection: "crm", path: "/health" },
    {
      clients: {
        http: (connection) => ({
          async request(url, options = {}) {
            asked.push([connection, url, options]);
            return {
              status: 503,
              headers: {},
              url,
              redirects: 0,
              durationMs: 12,
              bytes: new Uint8Array(),
              text: () => "",
              json: () => null,
            };
          },
        }),
      },
    },
  );
  expect(output).toEqual({ status: 503, duration_ms: 12 });
  expect(asked).toEqual([
    [
      "crm",
      "/health",
      { method: "GET", redirect: "none", acceptStatus: "any", timeout: "15s", step: "test" },
    ],
  ]);
});
