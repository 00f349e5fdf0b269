import { type HttpRequestOptions } from "./http-client.ts";
import { type Hop } from "./redirect.ts";
import { type Route } from "./route.ts";
import { type CallScope } from "./scope.ts";
import { type Connecting } from "./send-hop.ts";

/** A call, as its tries and their rows in the log know it. */
export interface CallOfTry {
  readonly connecting: Connecting;
  readonly scope: CallScope;
  readonly options: HttpRequestOptions;
  readonly step: string;
  /** Of the decompressed body, bytes. */
  readonly cap: number;
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** null: a plain address. */
  readonly route: Route | null;
  /** The time of the whole call, ms. */
  readonly timeoutMs: number;
  /** What is left of it. */
  readonly remainingMs: number;
  /** Puts a hop that is refused before it is one on record. @throws what `makeHop` throws */
  recordingRefusal(makeHop: () => Hop): Hop;
}
