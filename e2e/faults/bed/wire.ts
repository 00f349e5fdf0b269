import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A stretch of network between the processes and a server, which can be made bad. */
export interface Wire {
  /** The server's address, through this. */
  readonly url: string;
  /** Everything takes so much longer in each direction, ms. */
  slow(ms: number): void;
  /** What is sent gets nowhere, and nobody is told; what was on its way arrives when it heals, as TCP has it. */
  blackHole(): void;
  /** Connections are broken, and new ones refused. */
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

type State = { kind: "open" } | { kind: "slow"; ms: number } | { kind: "hole" } | { kind: "cut" };

/** @param url of a server on loopback; the answer is the same address with another port */
export async function openWire(url: string): Promise<Wire> {
  const target = new URL(url);
  const ends = new Set<Socket>();
  let state: State = { kind: "open" };
  let healed: (() => void)[] = [];

  /** Passes on what comes, in order, when the state of the network lets it. */
  function carry(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    const pass = (send: () => void): void => {
      const due = performance.now() + (state.kind === "slow" ? state.ms : 0);
      last = last.then(async () => {
        const left = due - performance.now();
        if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
        while (state.kind === "hole") await new Promise<void>((resolve) => healed.push(resolve));
        if (!to.destroyed) send();
      });
    };
    from.on("data", (chunk: Buffer) => pass(() => void to.write(chunk)));
    from.on("end", () => pass(() => void to.end()));
    from.on("error", () => pass(() => void to.destroy()));
    from.on("close", () => {
      ends.delete(from);
      pass(() => to.destroySoon());
    });
  }

  const server = createServer((near) => {
    if (state.kind === "cut") {
      near.destroy();
      return;
    }
    const far = connect({ host: target.hostname, port: Number(target.port) });
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      ends.add(socket);
    }
    carry(near, far);
    carry(far, near);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const through = new URL(url);
  through.port = String((server.address() as AddressInfo).port);

  const become = (next: State): void => {
    state = next;
    const waiting = healed;
    healed = [];
    for (const go of waiting) go();
  };
  const breakAll = (): void => {
    for (const socket of ends) socket.destroy();
  };
  return {
    url: through.href,
    slow: (ms) => become({ kind: "slow", ms }),
    blackHole: () => become({ kind: "hole" }),
    cut() {
      become({ kind: "cut" });
      breakAll();
    },
    heal: () => become({ kind: "open" }),
    async close() {
      become({ kind: "cut" });
      breakAll();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
