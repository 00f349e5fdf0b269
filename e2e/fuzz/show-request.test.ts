import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { showBytes, showRequest } from "./show-request.ts";
import { bytesOf, type WireRequest } from "./wire-request.ts";

const run = promisify(execFile);
const secret = "tlk_0123456789AB_secret";
const masks = new Map([[secret, "$PROGRAM"]]);
const env = { PATH: process.env["PATH"], PROGRAM: secret };

/** What arrived on the last connection. */
let arrived = "";
let server: Server;
let url = "";
beforeAll(async () => {
  server = createServer((socket) => {
    arrived = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      arrived += text;
      if (arrived.includes("\r\n\r\n")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
    });
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** The bytes that the printed `printf` writes. */
async function printed(command: string): Promise<string> {
  const { stdout } = await run("bash", ["-c", command.slice(0, command.lastIndexOf(" | nc "))], {
    env,
    encoding: "latin1",
  });
  return stdout;
}

test("the command for odd bytes writes them, and shows no credential", async () => {
  const odd = `GET /?\${HOME}$PATH"'\\x\`id\` \u0000\u00ff\r\nX: ${secret}\r\n\r\n`;
  const command = showBytes(Buffer.from(odd, "latin1"), url, masks);
  expect(command).not.toContain(secret);
  expect(await printed(command)).toBe(odd);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      expect(await printed(showBytes(Buffer.from(bytes), url, masks))).toBe(text);
    }),
    { numRuns: 20 },
  );
});

test("the command for a plain request sends it as it was", async () => {
  const request: WireRequest = {
    method: "POST",
    target: "/api/v1/keys?a=%00&b=$HOME",
    headers: [
      ["X-API-Key", secret],
      ["Content-Type", "application/json"],
      ["Prefer", `a="b"; c='d'`],
    ],
    body: Buffer.from(`{"a":"$PATH \`id\` 'x' \\u0000"}`),
    chunked: false,
  };
  const command = showRequest(request, url, masks);
  expect(command).toMatch(/^curl /);
  expect(command).not.toContain(secret);
  await run("bash", ["-c", command], { env });
  const lines = (text: string): string[] => text.split("\r\n").sort();
  const wanted = bytesOf(request, new URL(url).host).toString("latin1");
  expect(lines(arrived)).toEqual(lines(wanted));
});
