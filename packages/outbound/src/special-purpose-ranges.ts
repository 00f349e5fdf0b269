/** Why an address is not one that an engine may call, in a word that fits "…is a … address". */
export type AddressKind =
  | "unspecified"
  | "loopback"
  | "private"
  | "shared (CGNAT)"
  | "link-local"
  | "metadata"
  | "multicast"
  | "documentation"
  | "benchmarking"
  | "reserved"
  | "translated";

/** `[network, prefix length, kind]`; where two match, the first one in the list names the kind. */
export type SpecialRange = readonly [network: string, prefix: number, kind: AddressKind];

/**
 * IANA IPv4 Special-Purpose Address Registry (RFC 6890 and later), multicast, and the addresses at
 * which clouds hand out credentials. Ranges that IANA calls globally reachable (AS112, AMT) are in
 * it as well: nothing that an engine has to call lives there.
 */
export const IPV4_SPECIAL: readonly SpecialRange[] = [
  ["169.254.169.254", 32, "metadata"], // AWS, Google Cloud, Azure and most others
  ["169.254.170.2", 32, "metadata"], // AWS ECS task credentials
  ["100.100.100.200", 32, "metadata"], // Alibaba Cloud
  ["168.63.129.16", 32, "metadata"], // Azure's WireServer: a public address, answered by the host
  ["0.0.0.0", 8, "unspecified"], // "this network"; Linux connects 0.0.0.0 to loopback
  ["10.0.0.0", 8, "private"],
  ["100.64.0.0", 10, "shared (CGNAT)"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "link-local"],
  ["172.16.0.0", 12, "private"],
  ["192.0.0.0", 24, "reserved"], // IETF protocol assignments
  ["192.0.2.0", 24, "documentation"],
  ["192.31.196.0", 24, "reserved"], // AS112-v4
  ["192.52.193.0", 24, "reserved"], // AMT
  ["192.88.99.0", 24, "reserved"], // deprecated 6to4 relay anycast
  ["192.168.0.0", 16, "private"],
  ["192.175.48.0", 24, "reserved"], // AS112 direct delegation
  ["198.18.0.0", 15, "benchmarking"],
  ["198.51.100.0", 24, "documentation"],
  ["203.0.113.0", 24, "documentation"],
  ["224.0.0.0", 4, "multicast"],
  ["240.0.0.0", 4, "reserved"], // with the limited broadcast 255.255.255.255
];

/**
 * IANA IPv6 Special-Purpose Address Registry. Only 2000::/3 is handed out as global unicast, so all
 * outside it is refused whether or not it is listed here; the rows give it a name.
 */
export const IPV6_SPECIAL: readonly SpecialRange[] = [
  ["fd00:ec2::254", 128, "metadata"], // AWS over IPv6
  ["fd20:ce::254", 128, "metadata"], // Google Cloud over IPv6
  ["::", 128, "unspecified"],
  ["::1", 128, "loopback"],
  ["64:ff9b:1::", 48, "translated"], // local-use NAT64 (RFC 8215): what is behind is private
  ["100::", 64, "reserved"], // discard-only
  ["100:0:0:1::", 64, "reserved"], // dummy prefix (RFC 9780)
  ["2001::", 23, "reserved"], // IETF protocol assignments: Teredo, benchmarking, ORCHID, DRIP …
  ["2001:db8::", 32, "documentation"],
  ["2002::", 16, "translated"], // 6to4
  ["2620:4f:8000::", 48, "reserved"], // AS112 direct delegation
  ["3fff::", 20, "documentation"],
  ["5f00::", 16, "reserved"], // segment routing SIDs
  ["fc00::", 7, "private"], // unique local
  ["fe80::", 10, "link-local"],
  ["fec0::", 10, "private"], // deprecated site-local
  ["ff00::", 8, "multicast"],
];
