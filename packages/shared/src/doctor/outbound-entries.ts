// oxlint-disable-next-line no-restricted-imports -- address arithmetic opens no door
import { BlockList, isIPv4, isIPv6 } from "node:net";

export interface OpensTooMuch {
  level: "warning" | "error";
  because: string;
}

/** Networks with fewer bits than these open more than one network of a site. */
const narrow = { ipv4: 16, ipv6: 48 };
/** Where clouds hand out a machine's credentials. */
const metadata = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254"];
const loopback = ["127.0.0.1", "::1"];

/**
 * Whether an entry of `TL_OUTBOUND_ALLOW` opens more than somebody can have meant; null where it does not, or where it
 * cannot be read (that stops the worker's start, with its own words).
 */
export function judgeOutboundEntry(entry: string): OpensTooMuch | null {
  const parts =
    /^(?:callback:)?\[?([0-9a-fA-F:.]+?)(?:\/(\d{1,3}))?\]?(?:\/(\d{1,3}))?(?::(\d{1,5}))?$/.exec(
      entry,
    );
  const address = parts?.[1] ?? "";
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : null;
  if (parts === null || family === null) return null;
  const whole = family === "ipv4" ? 32 : 128;
  const prefix = Number(parts[2] ?? parts[3] ?? whole);
  const anyPort = parts[4] === undefined;
  if (prefix > whole) return null;

  const network = new BlockList();
  network.addSubnet(address, prefix, family);
  const covers = (target: string) => network.check(target, isIPv4(target) ? "ipv4" : "ipv6");
  if (prefix === 0)
    return { level: "error", because: "it opens every address: nothing is guarded any more" };
  const credentials = metadata.find(covers);
  if (credentials !== undefined) {
    return {
      level: "error",
      because: `it covers ${credentials}, where clouds hand out the machine's credentials`,
    };
  }
  if (loopback.some(covers) && anyPort) {
    return {
      level: "warning",
      because: "it opens every port of the machine itself: databases, metrics, other programs",
    };
  }
  if (prefix < narrow[family]) {
    return {
      level: "warning",
      because: `a network of ${whole - prefix} free bits${anyPort ? ", on every port" : ""}`,
    };
  }
  return null;
}
