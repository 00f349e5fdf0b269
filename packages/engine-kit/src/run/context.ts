import { createHash } from "node:crypto";
import { type ClientKind, type Clients, type ClientsOf, type Use, useOf } from "../clients.ts";
import { type Engine, type EngineContext, type EngineLog, engineInternals } from "../engine.ts";
import { assertPlainJson } from "./plain-json.ts";
import { keepable } from "./text.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a host gives for one attempt. All that comes back through it is plain JSON and bounded. */
export interface AttemptPorts {
  readonly executionId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** Clients that the host has; the engine gets those of them that it declares. */
  readonly clients: Partial<Clients>;
  log(level: LogLevel, message: string, fields: Record<string, unknown>): void;
  /** `fraction` is within 0 to 1. */
  progress(fraction: number, message: string | null): void;
}

const maxLogBytes = 4096;
const maxFieldsBytes = 16_384;
const maxProgressBytes = 500;

/**
 * The context of one attempt, frozen.
 * @throws Error where the engine uses a client that is not given
 */
export function createContext(
  engine: Pick<Engine, typeof engineInternals>,
  ports: AttemptPorts,
): EngineContext<readonly Use[]> {
  const { policy } = engine[engineInternals].descriptor;
  const clients = clientsOf(policy.uses, ports.clients);
  const line =
    (level: LogLevel) =>
    (message: unknown, fields: Record<string, unknown> = {}) => {
      ports.log(level, keepable(textOf(message), maxLogBytes), keepableFields(fields));
    };
  const log: EngineLog = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  return Object.freeze({
    executionId: ports.executionId,
    attempt: ports.attempt,
    signal: ports.signal,
    log: Object.freeze(log),
    progress: (fraction: number, message?: unknown) => {
      // A wrong figure is no reason to lose the work.
      const within = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
      ports.progress(
        within,
        message === undefined ? null : keepable(textOf(message), maxProgressBytes),
      );
    },
    clients: Object.freeze(clients) as ClientsOf<Use>,
    idempotencyKey: (step: string) => idempotencyKey(ports.executionId, step),
  });
}

/** Engines in plain JavaScript may hand over anything. */
function textOf(message: unknown): string {
  try {
    return typeof message === "string" ? message : (JSON.stringify(message) ?? typeof message);
  } catch {
    return typeof message;
  }
}

/** Readable where it can be; always fit for a header, and never beyond 100 characters. */
function idempotencyKey(executionId: string, step: string): string {
  const readable = /^[A-Za-z0-9._:-]{1,48}$/.test(step);
  return `${executionId}/${readable ? step : createHash("sha256").update(step).digest("hex").slice(0, 40)}`;
}

function keepableFields(fields: Record<string, unknown>): Record<string, unknown> {
  try {
    const plain = JSON.parse(
      JSON.stringify(fields, (_, value: unknown) =>
        value instanceof Error ? value.message : typeof value === "bigint" ? String(value) : value,
      ),
    ) as Record<string, unknown>;
    assertPlainJson(plain, maxFieldsBytes);
    return plain;
  } catch {
    return { fields: "left out: too large, or no JSON" };
  }
}

/** Clients by what `uses` names: a kind alone opens all its connections, a kind with connections those alone. */
function clientsOf(uses: readonly string[], given: Partial<Clients>): Partial<Clients> {
  const named = new Map<ClientKind, Set<string> | null>();
  for (const word of uses) {
    const use = useOf(word);
    if (use === null) continue;
    const { kind, connection } = use;
    const names = named.get(kind);
    if (connection === null || names === null) named.set(kind, null);
    else named.set(kind, new Set([...(names ?? []), connection]));
  }
  // Each client of its own kind: that goes unsaid between two members of one name in a loop.
  const clients: Partial<Record<ClientKind, (connection?: string) => unknown>> = {};
  for (const [kind, names] of named) {
    const make = given[kind] as ((connection?: string) => unknown) | undefined;
    if (!make) {
      throw new Error(
        `The engine uses the client ${kind}, and was given none (runEngine takes it in \`clients\`)`,
      );
    }
    clients[kind] = (connection?: string) => {
      if (names !== null && (connection === undefined || !names.has(connection))) {
        const words = [...names].map((name) => `"${name}"`).join(", ");
        throw new TypeError(
          `The engine may use ctx.clients.${kind} with ${words} alone: see its \`uses\``,
        );
      }
      if (kind === "smtp" && connection === undefined) {
        throw new TypeError("ctx.clients.smtp needs the id of a connection");
      }
      return make(connection);
    };
  }
  return clients as Partial<Clients>;
}
