import type { Log } from "@tl-engine/shared/log/log.ts";
import type { HostDeath } from "./death.ts";
import type { FromHost, HostSpec, ToHost } from "./protocol.ts";

/** The thread or the process in which a host's code runs. */
export interface Carrier {
  send(batch: ToHost[]): void;
  /** Its engines are loaded: what it takes from now on is theirs. */
  loaded(): void;
  /** It holds so much more memory than after loading that it should not be used again. */
  readonly isWorn: boolean;
  /** Ends it at once, whatever it does; `gone` follows. The first `death` given is the one that is told. */
  kill(death?: HostDeath): void;
}

/** What a carrier tells its host. */
export interface CarrierEvents {
  heard(batch: FromHost[]): void;
  /** It has ended, and nothing comes from it any more. */
  gone(death: HostDeath): void;
}

/** How much memory a host may take, MiB. */
export interface HostMemory {
  /** JavaScript heap. */
  heapMib: number;
  /** Resident memory of a process; a thread has none of its own. */
  rssMib: number;
}

export interface CarrierOptions {
  /** Shown by debuggers and in logs. */
  name: string;
  spec: HostSpec;
  /** The environment that engines see. */
  env: Record<string, string | undefined>;
  memory: HostMemory;
  /** Whether anything runs in it; else nobody watches its memory. */
  isBusy(): boolean;
  log: Log;
}

/** Starts a thread or a process. */
export type StartCarrier = (options: CarrierOptions, events: CarrierEvents) => Carrier;
