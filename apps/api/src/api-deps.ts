import type { Ready } from "@tl-engine/contract";
import type { ProgramCaller } from "@tl-engine/shared/callers/caller.ts";
import type { Catalogue } from "@tl-engine/shared/catalogue/catalogue.ts";
import type { ApiConfig } from "@tl-engine/shared/config/demand.ts";
import type { Database } from "@tl-engine/shared/db/database.ts";
import type { ExecutionReader } from "@tl-engine/shared/executions/read.ts";
import type { Submitter } from "@tl-engine/shared/executions/submit.ts";
import type { Watcher } from "@tl-engine/shared/executions/watch.ts";
import type { CompletionTokens } from "@tl-engine/shared/remote-engines/completion-token.ts";
import type { RateLimiter } from "@tl-engine/shared/rate-limit/rate-limiter.ts";
import type { SecretBox } from "@tl-engine/shared/secrets/secret-box.ts";
import type { Signals } from "@tl-engine/shared/signals/signals.ts";
import type { Completions } from "./completions.ts";
import type { CheckInput, CheckOutput } from "./input-validator.ts";
import type { VerifyToken } from "./verify-token.ts";

/** What of the configuration the HTTP side reads. */
export type ApiSettings = Pick<
  ApiConfig,
  | "maxBodyBytes"
  | "maxOutputBytes"
  | "corsOrigins"
  | "planeApiKeys"
  | "rateLimit"
  | "readRateLimit"
  | "planeRateLimit"
  | "rateWindowSeconds"
>;

/** One answered request, for the log and the figures. */
export interface AnsweredRequest {
  requestId: string;
  method: string;
  /** The endpoint's path with its placeholders, or null where there is none. */
  route: string | null;
  status: number;
  durationMs: number;
  /** How much of that the caller had asked to wait. */
  waitedMs: number;
  /** The caller's id; null where nobody was recognised. */
  caller: string | null;
  /** The code of the problem that was answered. */
  code: string | null;
  executionId: string | null;
}

/** Everything the HTTP side works with, built once by `main.ts` (or by a test) and passed in. */
export interface ApiDeps {
  settings: ApiSettings;
  db: Database;
  signals: Signals;
  submitter: Submitter;
  /** Postgres' time in ms since 1970: what the record's times are set against. */
  now(): number;
  newExecutionId(): string;
  reader: ExecutionReader;
  watcher: Watcher;
  catalogue: Catalogue;
  limiter: RateLimiter;
  /** Seals what is kept secret; null without TL_SECRET_KEY. */
  secretBox: SecretBox | null;
  /** @returns null for a key that is mistyped, unknown, off, revoked or expired */
  verifyKey(key: string): Promise<ProgramCaller | null>;
  verifyToken: VerifyToken;
  checkInput: CheckInput;
  /** null without TL_SECRET_KEY: then no service was ever given one. */
  completionTokens: CompletionTokens | null;
  completions: Completions;
  checkOutput: CheckOutput;
  /** The OpenAPI document, as text. */
  openapi(): string;
  readiness(): Promise<Ready>;
  /** Until Postgres was there and migrated once, nothing but the public endpoints can be answered. */
  isStarting(): boolean;
  /** Hears each request once it is answered. */
  reportAnswer(answer: AnsweredRequest): void;
  /** Hears of a defect, or of something that went wrong behind an answer that was right all the same. */
  reportError(error: unknown, requestId?: string): void;
}
