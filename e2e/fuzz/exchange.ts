import { once } from "node:events";
import type { Socket } from "node:net";
import { openRaw } from "../support/raw-http.ts";
import { BadAnswerError, createAnswerReader, type HttpAnswer } from "./http-answer.ts";

/** What came of bytes that were sent. */
export interface Exchange {
  readonly answers: readonly HttpAnswer[];
  /** `answered`: as many answers as were expected, and no more; `late`: time was up. */
  readonly end: "answered" | "closed" | "late" | "no HTTP";
  /** Of the whole, ms. */
  readonly ms: number;
  /** Bytes that belong to no answer. */
  readonly rest: Buffer;
}

export interface Sent {
  readonly bytes: Buffer;
  /** For each answer that is expected, whether it answers a HEAD. */
  readonly heads: readonly boolean[];
  readonly withinMs: number;
  /** What we do behind the bytes: `end` says that nothing more comes. */
  readonly afterwards?: "stay" | "end";
}

/** A caller's connection, used again as long as the server lets it. */
export interface Line {
  exchange(sent: Sent): Promise<Exchange>;
  close(): void;
}

/** How long we listen on for an answer too many, ms. */
const listenOnMs = 2;

/** See {@link Line}; it is opened when it is needed. */
export function openLine(url: string): Line {
  let socket: Socket | null = null;
  return {
    async exchange(sent) {
      // A server that is about to close says so, and then we know.
      if (socket === null || socket.destroyed || socket.readableEnded) socket = openRaw(url);
      const used = socket;
      const exchange = await exchangeOn(used, sent, 0);
      const last = exchange.answers.at(-1);
      const goesOn =
        exchange.end === "answered" &&
        exchange.rest.length === 0 &&
        last?.headers.get("connection")?.join().toLowerCase() !== "close";
      if (!goesOn) {
        used.destroy();
        socket = null;
      }
      return exchange;
    },
    close: () => socket?.destroy(),
  };
}

/** Sends bytes on a connection of their own, and listens on for answers too many. */
export async function exchangeOnce(url: string, sent: Sent): Promise<Exchange> {
  const socket = openRaw(url);
  try {
    return await exchangeOn(socket, sent, listenOnMs);
  } finally {
    socket.destroy();
  }
}

async function exchangeOn(socket: Socket, sent: Sent, listenMs: number): Promise<Exchange> {
  const { bytes, heads, withinMs, afterwards = "stay" } = sent;
  const since = performance.now();
  const reader = createAnswerReader();
  const answers: HttpAnswer[] = [];
  let end: Exchange["end"] | null = null;
  let timer: NodeJS.Timeout | undefined;
  const over = Promise.withResolvers<void>();
  const finish = (how: Exchange["end"]): void => {
    end ??= how;
    over.resolve();
  };
  const arm = (how: Exchange["end"], ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => finish(how), ms);
  };
  const read = (): void => {
    for (;;) {
      const answer = reader.next(heads[answers.length] ?? false);
      if (answer === null) break;
      answers.push(answer);
    }
    if (answers.length < heads.length) return;
    if (listenMs === 0) finish("answered");
    else arm("answered", listenMs);
  };
  const onData = (chunk: Buffer): void => {
    reader.push(chunk);
    try {
      read();
    } catch (error) {
      if (!(error instanceof BadAnswerError)) throw error;
      finish("no HTTP");
    }
  };
  const onClose = (): void => finish("closed");
  socket.on("data", onData);
  socket.once("close", onClose);
  arm("late", withinMs);
  if (socket.connecting) await Promise.race([once(socket, "connect"), over.promise]);
  socket.write(bytes);
  if (afterwards === "end") socket.end();
  await over.promise;
  clearTimeout(timer);
  socket.off("data", onData);
  socket.off("close", onClose);
  return {
    answers,
    end: end ?? "late",
    ms: performance.now() - since,
    rest: reader.rest(),
  };
}
