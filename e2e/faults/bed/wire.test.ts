import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { openWire, type Wire } from "./wire.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function dial(port: number): Promise<Socket> {
  const client = connect(port, "127.0.0.1");
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  await once(client, "connect");
  return client;
}

async function talk(client: Socket, text: string): Promise<string> {
  client.write(text);
  return String((await once(client, "data"))[0]);
}

/** A wire to a server that sends back what it gets, a client on it, and one past it. */
async function lay(): Promise<{
  wire: Wire;
  client: Socket;
  ask: (text: string) => Promise<string>;
  direct: (text: string) => Promise<string>;
}> {
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const wire = await openWire(`redis://127.0.0.1:${port}`);
  closers.push(() => wire.close());
  const client = await dial(Number(new URL(wire.url).port));
  const past = await dial(port);
  return { wire, client, ask: (text) => talk(client, text), direct: (text) => talk(past, text) };
}

test("carries what is sent there and back, slowly if it is told to", async () => {
  const { wire, ask, direct } = await lay();
  expect(await ask("one")).toBe("one");
  expect(await direct("one")).toBe("one");
  wire.slow(200);
  const heard: string[] = [];
  const slow = ask("two").then((answer) => heard.push(answer));
  // Asked later, past the wire, answered sooner.
  await direct("three").then((answer) => heard.push(answer));
  await slow;
  expect(heard).toEqual(["three", "two"]);
});

test("a black hole keeps what is sent until it heals", async () => {
  const { wire, client, ask } = await lay();
  expect(await ask("one")).toBe("one");
  wire.blackHole();
  let heard = "";
  client.on("data", (chunk: Buffer) => (heard += String(chunk)));
  client.write("two");
  // A connection of somebody else's shows that time has gone by for the wire.
  await once(connect(Number(new URL(wire.url).port), "127.0.0.1"), "connect");
  expect(heard).toBe("");
  const data = once(client, "data");
  wire.heal();
  await data;
  expect(heard).toBe("two");
});

test("a cut breaks connections and refuses new ones until it heals", async () => {
  const { wire, client } = await lay();
  const closed = once(client, "close");
  wire.cut();
  await closed;
  const port = Number(new URL(wire.url).port);
  await once(
    connect(port, "127.0.0.1").on("error", () => undefined),
    "close",
  );
  wire.heal();
  const again = connect(port, "127.0.0.1");
  closers.push(() => again.destroy());
  again.write("three");
  expect(String((await once(again, "data"))[0])).toBe("three");
});
