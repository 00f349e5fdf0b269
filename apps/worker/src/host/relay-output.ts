import type { Readable } from "node:stream";
import type { Log } from "@tl-engine/shared/log/log.ts";

/** Pieces of output taken from one host in one minute; the rest is counted, not kept. */
const piecesAMinute = 600;
const pieceLength = 4_096;

/**
 * What code in a host writes straight to stdout or stderr, as log lines: raw text between the log's own lines
 * would break whoever reads them. (`console` is taken care of in the host, where its execution is known.)
 */
export function relayOutput(
  { stdout, stderr }: { stdout: Readable; stderr: Readable },
  host: string,
  log: Log,
): { stop(): void } {
  let left = piecesAMinute;
  let dropped = 0;
  const refill = setInterval(() => {
    if (dropped > 0) log.warn({ host_id: host, count: dropped }, "output of a host was dropped");
    left = piecesAMinute;
    dropped = 0;
  }, 60_000);
  refill.unref();

  const relay = (stream: Readable, write: (line: string) => void): void => {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      for (const line of chunk.slice(0, pieceLength).split("\n")) {
        if (line === "") continue;
        if (left > 0) write(line);
        else dropped += 1;
        left = Math.max(0, left - 1);
      }
    });
    stream.on("error", () => {});
  };
  relay(stdout, (line) => log.info({ host_id: host }, line));
  relay(stderr, (line) => log.warn({ host_id: host }, line));
  return { stop: () => clearInterval(refill) };
}
