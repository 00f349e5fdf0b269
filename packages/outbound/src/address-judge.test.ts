import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { addressBytes } from "./address-bytes.ts";
import { judgeAddress } from "./address-judge.ts";
import { IPV4_SPECIAL, IPV6_SPECIAL, type SpecialRange } from "./special-purpose-ranges.ts";

const isPublic = (address: string) => judgeAddress(address).public;
const v4 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join(".");
const v6 = (n: bigint) =>
  Array.from({ length: 8 }, (_, i) => ((n >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(
    ":",
  );
const number = (address: string) =>
  [...(addressBytes(address) ?? [])].reduce((n, byte) => n * 256n + BigInt(byte), 0n);

function edges([network, prefix]: SpecialRange): {
  first: bigint;
  last: bigint;
  text(n: bigint): string;
} {
  const bits = network.includes(":") ? 128 : 32;
  const first = number(network);
  const last = first + (1n << BigInt(bits - prefix)) - 1n;
  return { first, last, text: (n) => (bits === 128 ? v6(n) : v4(Number(n))) };
}

describe("special-purpose ranges", () => {
  it.each(
    [...IPV4_SPECIAL, ...IPV6_SPECIAL].map((range) => [`${range[0]}/${range[1]}`, range] as const),
  )("%s is refused from its first to its last address", (_name, range) => {
    const { first, last, text } = edges(range);
    for (const n of [first, first + (last - first) / 2n, last]) {
      expect(judgeAddress(text(n))).toMatchObject({ address: text(n), public: false });
    }
  });

  // Both neighbours of every IPv4 range, written out: what is public next to what is not.
  it.each([
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "168.63.129.15", "168.63.129.17", "172.15.255.255",
    "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.1.255", "192.0.3.0", "192.31.195.255",
    "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0",
    "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255",
    "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
    "223.255.255.255", "8.8.8.8", "93.184.216.34",
  ])("%s is public", (address) => expect(isPublic(address)).toBe(true)); // prettier-ignore

  it.each([
    "2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", "2001:db7:ffff::",
    "2001:db9::", "2001:ffff:ffff::", "2003::", "2606:4700:4700::1111", "2620:4f:7fff::",
    "2620:4f:8001::", "3ffe:ffff::", "3fff:1000::", "3fff:ffff::",
  ])("%s is public", (address) => expect(isPublic(address)).toBe(true)); // prettier-ignore

  it.each([
    "1fff::", "4000::", "5eff::", "8000::1", "fbff::", "fe00::1", "fe7f::1", "::2", "::ffff:0:0:1",
    "0:0:0:1::", "64:ff9a::1", "64:ff9c::1", "64:ff9b:0:0:0:1::1", "64:ff9b:2::1", "200::1",
  ])("%s is outside what is handed out", (address) => expect(isPublic(address)).toBe(false)); // prettier-ignore
});

describe("the list of promises", () => {
  it.each([
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["0.0.0.0", "unspecified"],
    ["169.254.169.254", "metadata"],
    ["169.254.170.2", "metadata"],
    ["169.254.1.1", "link-local"],
    ["100.100.100.200", "metadata"],
    ["100.64.0.1", "shared (CGNAT)"],
    ["10.0.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["192.0.0.192", "reserved"],
    ["198.19.255.255", "benchmarking"],
    ["224.0.0.251", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "reserved"],
    ["::1", "loopback"],
    ["::", "unspecified"],
    ["0:0:0:0:0:0:0:1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:7f00:1", "loopback"],
    ["::127.0.0.1", "reserved"],
    ["64:ff9b::7f00:1", "loopback"],
    ["64:ff9b:1::a00:1", "translated"],
    ["2002:7f00:1::", "translated"],
    ["2002:808:808::", "translated"],
    ["2001:0:53aa:64c::80ff:fffe", "reserved"],
    ["fe80::1", "link-local"],
    ["febf::1", "link-local"],
    ["fec0::1", "private"],
    ["fc00::1", "private"],
    ["fd00:ec2::254", "metadata"],
    ["ff02::1", "multicast"],
    ["2001:db8::1", "documentation"],
    ["3fff::1", "documentation"],
  ])("%s is refused as %s", (address, kind) => {
    expect(judgeAddress(address)).toMatchObject({ public: false, kind });
  });

  it("says what is within a transition form", () => {
    const why = (address: string) => {
      const judgement = judgeAddress(address);
      return judgement.public ? "public" : judgement.why;
    };
    expect(why("2002:7f00:1::")).toBe("6to4 of a loopback address");
    expect(why("2002:808:808::")).toBe("6to4 of a public address");
    expect(why("2001:0:53aa:64c::80ff:fffe")).toBe("Teredo of a loopback address");
    expect(why("::10.0.0.1")).toBe("IPv4-compatible form of a private address");
    expect(why("64:ff9b::a00:1")).toBe("NAT64 of a private address");
  });

  it("gives a mapped address back as the IPv4 address it is", () => {
    expect(judgeAddress("::ffff:8.8.8.8")).toEqual({ public: true, address: "8.8.8.8" });
    expect(judgeAddress("::FFFF:0808:0808")).toEqual({ public: true, address: "8.8.8.8" });
  });

  it("lets NAT64 of a public address through, for networks with DNS64", () => {
    expect(judgeAddress("64:ff9b::808:808")).toEqual({ public: true, address: "64:ff9b::808:808" });
  });
});

describe("what is no address", () => {
  it.each([
    "",
    "localhost",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "fe80::1%eth0",
    "::1%lo",
    "[::1]",
    "1.2.3.4/8",
    "1.2.3.4 ",
    "::ffff:127.0.0.1:80",
  ])("%j is refused", (text) =>
    expect(judgeAddress(text)).toMatchObject({ public: false, kind: "not an address" }),
  );

  it("never throws and never lets anything but an address through", () => {
    fc.assert(fc.property(fc.string(), (text) => !isPublic(text) || addressBytes(text) !== null));
  });
});

describe("for every address", () => {
  const anyV4 = fc.nat(0xffff_ffff);
  const hex = (n: number) => `${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}`;

  it("IPv4 is public exactly when no range holds it", () => {
    fc.assert(
      fc.property(anyV4, (n) => {
        const held = IPV4_SPECIAL.map(edges).some(({ first, last }) => first <= n && n <= last);
        return isPublic(v4(n)) === !held;
      }),
    );
  });

  it("mapped and NAT64 forms are judged like what is within, in both spellings", () => {
    fc.assert(
      fc.property(anyV4, (n) =>
        [`::ffff:${v4(n)}`, `::ffff:${hex(n)}`, `64:ff9b::${v4(n)}`, `64:ff9b::${hex(n)}`].every(
          (form) => isPublic(form) === isPublic(v4(n)),
        ),
      ),
    );
  });

  it("compatible, 6to4 and Teredo forms are refused, whatever is within", () => {
    fc.assert(
      fc.property(
        anyV4,
        (n) =>
          !isPublic(`::${v4(n)}`) &&
          !isPublic(`2002:${hex(n)}::1`) &&
          !isPublic(`2001:0:1:2:3:4:${hex(~n >>> 0)}`),
      ),
    );
  });

  it("IPv6 outside 2000::/3 is refused, but for mapped and NAT64 forms", () => {
    const words = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(words, ([first = 0, ...rest]) => {
        const address = [first, ...rest].map((word) => word.toString(16)).join(":");
        return first >> 13 === 1 || !isPublic(address);
      }),
    );
  });

  it("its bytes do not depend on its spelling", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const url = URL.parse(`http://[${address}]/`);
        if (!url) return;
        const bytes = addressBytes(address);
        expect(bytes).toEqual(addressBytes(url.hostname.slice(1, -1)));
        expect(bytes && v6(number(address))).toBeTruthy();
      }),
    );
  });
});
