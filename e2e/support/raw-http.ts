import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Sends bytes as they are on a connection of their own. @returns all that comes back until the server closes it */
export async function sendRaw(url: string, text: string | Buffer): Promise<string> {
  const socket = openRaw(url);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.write(text);
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

/** A connection on which anything may be written. It never fails, it only closes. */
export function openRaw(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  return socket;
}

/** The answers on a connection, in order: status and body. Bodies with a length alone. */
export function readAnswers(text: string): { status: number; head: string; body: string }[] {
  const answers: { status: number; head: string; body: string }[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\r\n\r\n", at);
    if (end === -1) break;
    const head = text.slice(at, end);
    const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1] ?? 0);
    answers.push({
      status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
      head,
      body: text.slice(end + 4, end + 4 + length),
    });
    at = end + 4 + length;
  }
  return answers;
}
