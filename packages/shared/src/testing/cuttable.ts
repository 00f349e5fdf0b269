import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A way to a server that can be cut: the server goes on with what it was told and nobody hears its answer. */
export interface Cuttable {
  url: string;
  /** Cuts all connections; new ones get through. */
  cut(): void;
  /** Cuts all connections, and those to come too. */
  refuse(): void;
  /** New ones get through again. */
  accept(): void;
  close(): Promise<void>;
}

/** Listens on loopback and passes everything on to the server of `url`. */
export async function cuttable(url: string): Promise<Cuttable> {
  const target = new URL(url);
  const clients = new Set<Socket>();
  let refuses = false;
  const server = createServer((client) => {
    if (refuses) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    clients.add(client);
    client.on("close", () => {
      clients.delete(client);
      upstream.end();
    });
    upstream.on("close", () => client.destroy());
    client.on("error", () => upstream.end());
    upstream.on("error", () => client.destroy());
    client.pipe(upstream, { end: false });
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: through.href,
    cut() {
      for (const client of clients) client.destroy();
    },
    refuse() {
      refuses = true;
      for (const client of clients) client.destroy();
    },
    accept() {
      refuses = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}
