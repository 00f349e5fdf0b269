import type { Config } from "../config/config.ts";
import { error, ok, warning, type Finding } from "./finding.ts";
import { judgeOutboundEntry } from "./outbound-entries.ts";

export interface NetworkOptions {
  config: Config;
  /** The secrets are those that `npm start` made for itself in the data folder. */
  developmentSecrets: boolean;
}

/** Who can reach us, and whom engines can reach. */
export function checkNetwork({ config, developmentSecrets }: NetworkOptions): Finding[] {
  return [
    ...judgeListening(config.host, developmentSecrets),
    ...judgeOrigins(config.corsOrigins),
    ...judgeOutbound(config.outboundAllow),
  ];
}

function judgeListening(host: string, developmentSecrets: boolean): Finding[] {
  const id = "network.listen";
  const loopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (loopback) return [ok(id, "Only this machine reaches the API", `HOST ${host}`)];
  if (!developmentSecrets) return [ok(id, "Other machines reach the API", `HOST ${host}`)];
  return [
    warning(
      id,
      "Other machines reach an API that has the keys of a development",
      `HOST is ${host}, and the keys are those that npm start made and keeps in a file`,
      `HOST=127.0.0.1   # or give it keys of its own:\nTL_PLANE_API_KEY=$(openssl rand -hex 32) TL_JWT_SECRET=$(openssl rand -hex 32)`,
    ),
  ];
}

function judgeOrigins(origins: readonly string[]): Finding[] {
  const id = "network.cors";
  if (!origins.includes("*")) {
    return [ok(id, "Browsers", origins.join(", ") || "may not call from any page")];
  }
  return [
    warning(
      id,
      "Every web page may call the API from a browser",
      "TL_CORS_ORIGINS is *; a token that leaks can be used from anywhere",
      "TL_CORS_ORIGINS=https://app.example.com",
    ),
  ];
}

function judgeOutbound(text: string): Finding[] {
  const entries = text.split(/[\s,]+/).filter(Boolean);
  const findings = entries.flatMap((entry) => {
    const judged = judgeOutboundEntry(entry);
    if (judged === null) return [];
    const rest = entries.filter((other) => other !== entry).join(",");
    const make = judged.level === "error" ? error : warning;
    return [
      make(
        "network.outbound",
        `TL_OUTBOUND_ALLOW opens too much: ${entry}`,
        judged.because,
        `TL_OUTBOUND_ALLOW=${rest === "" ? "" : `${rest},`}orders.internal:8080   # name the hosts and ports that are meant`,
      ),
    ];
  });
  if (findings.length > 0) return findings;
  const count =
    entries.length === 0 ? "none but public ones" : `public ones and ${entries.join(", ")}`;
  return [ok("network.outbound", "Targets that engines may call", count)];
}
