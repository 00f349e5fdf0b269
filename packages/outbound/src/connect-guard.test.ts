import { describe, expect, it } from "vitest";

import { parseAllowList } from "./allow-list.ts";
import { createConnectGuard } from "./connect-guard.ts";
import { ConnectionFailedError, OutboundRefusedError } from "./errors.ts";
import { readTarget } from "./target.ts";

// Nothing is sent here: names are resolved by a list, and nobody connects.
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "public.test": ["93.184.216.34", "2606:2800:220:1::1"],
  "a.test": ["127.0.0.1"],
  "aaaa.test": ["::1"],
  "mixed.test": ["93.184.216.34", "10.0.0.5"],
  "mixed6.test": ["2606:2800:220:1::1", "fd00::1"],
  "mapped.test": ["::ffff:169.254.169.254"],
  "twice.test": ["93.184.216.34", "::ffff:93.184.216.34"],
  "metadata.test": ["169.254.169.254"],
  "odd.test": ["127.1"],
  "none.test": [],
  "crm.internal": ["10.0.0.5"],
};

function guard(allow = "", dnsTimeoutMs = 5000) {
  let lookups = 0;
  const made = createConnectGuard({
    rules: parseAllowList(allow).engines,
    dnsTimeoutMs,
    resolver: {
      async resolve(hostname) {
        lookups++;
        if (hostname === "silent.test") return new Promise<never>(() => {});
        const addresses = NAMES[hostname.replace(/\.$/, "")];
        if (!addresses) throw new Error("ENOTFOUND");
        return addresses;
      },
    },
  });
  const ask = (url: string, signal = new AbortController().signal) =>
    made.addressesFor(readTarget(url), signal);
  return { ask, check: (url: string) => made.check(readTarget(url)), lookups: () => lookups };
}

describe("without an allow list", () => {
  it("gives the addresses of a public name, each once", async () => {
    await expect(guard().ask("https://public.test/")).resolves.toEqual(NAMES["public.test"]);
    await expect(guard().ask("https://twice.test/")).resolves.toEqual(["93.184.216.34"]);
    await expect(guard().ask("https://93.184.216.34/")).resolves.toEqual(["93.184.216.34"]);
    await expect(guard().ask("https://[::ffff:5db8:d822]/")).resolves.toEqual(["93.184.216.34"]);
  });

  it.each([
    "a.test",
    "aaaa.test",
    "mixed.test",
    "mixed6.test",
    "mapped.test",
    "metadata.test",
    "odd.test",
    "a.test.",
    "127.0.0.1",
    "[::1]",
    "169.254.169.254",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:53aa:64c::80ff:fffe]",
    "[fe80::1]",
    "[febf::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "168.63.129.16",
  ])("refuses %s", async (host) => {
    // prettier-ignore
    await expect(guard().ask(`http://${host}/`)).rejects.toThrow(OutboundRefusedError);
  });

  it.each([
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "metadata.google.internal",
    "metadata.google.internal.",
    "METADATA.google.internal",
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
  ])("refuses %s without asking a resolver", async (host) => {
    // prettier-ignore
    const { ask, check, lookups } = guard();
    await expect(ask(`http://${host}/`)).rejects.toThrow(OutboundRefusedError);
    expect(() => check(`http://${host}/`)).toThrow(OutboundRefusedError);
    expect(lookups()).toBe(0);
  });

  it.each([22, 25, 5432, 6379])("refuses port %i of public targets", async (port) => {
    const { ask, lookups } = guard();
    await expect(ask(`http://public.test:${port}/`)).rejects.toThrow(`port ${port}`);
    await expect(ask(`http://93.184.216.34:${port}/`)).rejects.toThrow(`port ${port}`);
    expect(lookups()).toBe(0);
  });

  it("fails, and may be tried again, where a name has no address", async () => {
    for (const name of ["none.test", "unknown.test"]) {
      const failed = guard().ask(`http://${name}/`);
      await expect(failed).rejects.toThrow(ConnectionFailedError);
      await expect(failed).rejects.toMatchObject({ code: "connection_failed", retryable: true });
    }
  });

  it("waits for a resolver no longer than it was told to, nor after an abort", async () => {
    await expect(guard("", 20).ask("http://silent.test/")).rejects.toThrow("within 20 ms");
    const controller = new AbortController();
    const asked = guard().ask("http://silent.test/", controller.signal);
    controller.abort(new Error("canceled"));
    await expect(asked).rejects.toThrow("canceled");
  });

  it("does not name the address of what it refuses", async () => {
    await expect(guard().ask("http://crm.internal/")).rejects.toThrow(/^(?!.*10\.0)/);
  });
});

describe("with an allow list", () => {
  it("opens an address for the port that is said", async () => {
    const { ask } = guard("127.0.0.1:8080");
    await expect(ask("http://127.0.0.1:8080/")).resolves.toEqual(["127.0.0.1"]);
    await expect(ask("http://a.test:8080/")).resolves.toEqual(["127.0.0.1"]);
    await expect(ask("http://[::ffff:7f00:1]:8080/")).resolves.toEqual(["127.0.0.1"]);
    await expect(ask("http://127.0.0.1:8081/")).rejects.toThrow(OutboundRefusedError);
    await expect(ask("http://127.0.0.1/")).rejects.toThrow(OutboundRefusedError);
  });

  it("takes localhost for those of its addresses that are open", async () => {
    await expect(guard("127.0.0.1").ask("http://localhost/")).resolves.toEqual(["127.0.0.1"]);
    await expect(guard("::1").ask("http://localhost./")).resolves.toEqual(["::1"]);
    await expect(guard("localhost:81").ask("http://localhost:81/")).resolves.toEqual([
      "127.0.0.1",
      "::1",
    ]);
    await expect(guard("localhost:81").ask("http://127.0.0.1:81/")).rejects.toThrow("loopback");
  });

  it("still refuses all when one address is not open", async () => {
    await expect(guard("10.0.0.0/8").ask("http://mixed.test/")).resolves.toHaveLength(2);
    await expect(guard("10.0.0.4").ask("http://mixed.test/")).rejects.toThrow(OutboundRefusedError);
  });

  it("opens private addresses by name, but never metadata or what is no target", async () => {
    await expect(guard("crm.internal").ask("http://crm.internal/")).resolves.toEqual(["10.0.0.5"]);
    await expect(guard("crm.internal").ask("http://10.0.0.5/")).rejects.toThrow("private");
    await expect(guard("metadata.test").ask("http://metadata.test/")).rejects.toThrow("metadata");
    await expect(guard("169.254.169.254").ask("http://metadata.test/")).resolves.toHaveLength(1);
    await expect(guard("odd.test").ask("http://odd.test/")).rejects.toThrow("not an IP address");
    await expect(guard("0.0.0.0/0,::/0").ask("http://odd.test/")).rejects.toThrow(
      OutboundRefusedError,
    );
  });

  it("opens a refused port only when an entry for that target says it", async () => {
    await expect(guard("public.test").ask("http://public.test:25/")).rejects.toThrow("port 25");
    await expect(guard("other:25").ask("http://public.test:25/")).rejects.toThrow("port 25");
    await expect(guard("public.test:25").ask("http://public.test:25/")).resolves.toHaveLength(2);
    await expect(guard("10.0.0.0/8").ask("http://crm.internal:5432/")).rejects.toThrow("port 5432");
    await expect(guard("10.0.0.0/8:5432").ask("http://crm.internal:5432/")).resolves.toHaveLength(
      1,
    );
  });
});
