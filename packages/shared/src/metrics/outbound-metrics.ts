import { Counter, Histogram, type Registry } from "prom-client";
import type { ToldCall } from "../outbound-log/told-call.ts";

/** Connections that figures tell apart; those beyond are told of together. */
const mostConnections = 200;
/** Codes that results are told apart by; those beyond are told of together. */
const mostCodes = 50;
const protocols: readonly string[] = ["http", "grpc", "websocket", "smtp"];

/** How a call ended, in few words: `ok`, an error's code, or that the answer's status says no. */
export function resultOf({
  protocol,
  status,
  error_code,
}: Pick<ToldCall, "protocol" | "status" | "error_code">): string {
  if (error_code !== null) return error_code;
  if (protocol !== "http" || status === null || status < 400) return "ok";
  return status < 500 ? "status_4xx" : "status_5xx";
}

/** Figures of the calls to the outside that this worker's executions make. */
export function createOutboundMetrics(registry: Registry) {
  const registers = [registry];
  const labelNames = ["connection", "protocol", "result"] as const;
  const connections = createBoundedNames(mostConnections);
  const results = createBoundedNames(mostCodes);
  const calls = new Counter({
    name: "tl_outbound_calls_total",
    help: "Calls to the outside, by connection (none, or other beyond 200), protocol and result (ok, status_4xx, status_5xx, or an error's code).",
    labelNames,
    registers,
  });
  const duration = new Histogram({
    name: "tl_outbound_call_duration_seconds",
    help: "Time of a call to the outside, one try of it.",
    labelNames,
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const bytes = new Counter({
    name: "tl_outbound_bytes_total",
    help: "Bytes of calls to the outside, by direction: sent, received.",
    labelNames: ["connection", "protocol", "direction"],
    registers,
  });
  const dropped = new Counter({
    name: "tl_outbound_log_dropped_total",
    help: "Calls that are missing in the outbound log: full (too many waited), refused (PostgreSQL took them not), closing.",
    labelNames: ["reason"],
    registers,
  });
  return {
    /** Counts one call. What a host tells makes no labels without bound. */
    count(call: ToldCall): void {
      // A refused call may name a connection that there is not.
      const isKnown = call.connection !== null && call.error_code !== "outbound_refused";
      const connection =
        call.connection === null ? "none" : connections.nameOf(call.connection, isKnown);
      const protocol = protocols.includes(call.protocol) ? call.protocol : "other";
      const labels = { connection, protocol, result: results.nameOf(resultOf(call), true) };
      calls.inc(labels);
      duration.observe(labels, amount(call.duration_ms) / 1_000);
      bytes.inc({ connection, protocol, direction: "sent" }, amount(call.bytes_sent));
      bytes.inc({ connection, protocol, direction: "received" }, amount(call.bytes_received));
    },
    dropped(count: number, reason: string): void {
      dropped.inc({ reason }, count);
    },
  };
}

export type OutboundMetrics = ReturnType<typeof createOutboundMetrics>;

const plainName = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Names that labels may have: the first so many that came, and `other`. */
function createBoundedNames(most: number): { nameOf(name: string, learn: boolean): string } {
  const names = new Set<string>();
  return {
    nameOf(name, learn) {
      if (names.has(name)) return name;
      if (!learn || names.size >= most || !plainName.test(name)) return "other";
      names.add(name);
      return name;
    },
  };
}

function amount(value: unknown): number {
  return typeof value === "number" && value > 0 && Number.isFinite(value) ? value : 0;
}
