import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A way to a server on which single connections can fall silent, as where a firewall has forgotten them. */
export interface Silencing {
  url: string;
  /**
   * From now on nothing passes on the connections of which this holds, those that are open and those to come; neither
   * side hears of it.
   * @param matches gets what the client has sent so far
   * @returns how many of those that are open
   */
  silence(matches: (sent: string) => boolean): number;
  /** Connections to come pass; those that fell silent stay so. */
  silenceNoMore(): void;
  /** What the clients of the connections that are open have sent. */
  sent(): string[];
  close(): Promise<void>;
}

interface Line {
  sent: string;
  silent: boolean;
  client: Socket;
}

/** So much of what a client says is remembered. */
const remembered = 64 * 1024;

/** Listens on loopback and passes everything on to the server of `url`. */
export async function silencing(url: string): Promise<Silencing> {
  const target = new URL(url);
  const lines = new Set<Line>();
  let rule: ((sent: string) => boolean) | null = null;

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const line: Line = { sent: "", silent: false, client };
    lines.add(line);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    client.on("data", (chunk) => {
      line.sent = (line.sent + chunk.toString("latin1")).slice(0, remembered);
      if (rule?.(line.sent) === true) line.silent = true;
      if (!line.silent) upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      if (!line.silent) client.write(chunk);
    });
    client.on("close", () => {
      lines.delete(line);
      upstream.destroy();
    });
    upstream.on("close", () => {
      if (!line.silent) client.destroy();
    });
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: through.href,
    silence(matches) {
      rule = matches;
      let count = 0;
      for (const line of lines) {
        if (!matches(line.sent)) continue;
        line.silent = true;
        count += 1;
      }
      return count;
    },
    silenceNoMore() {
      rule = null;
    },
    sent: () => [...lines].map(({ sent }) => sent),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { client } of lines) client.destroy();
      }),
  };
}
