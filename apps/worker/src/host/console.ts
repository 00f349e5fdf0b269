import { format } from "node:util";
import type { Voice } from "./voice.ts";

const methods = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
} as const;
const maxLength = 4_096;

/** Sends what engines write to `console` to the voice of the execution that wrote it. */
export function redirectConsole(voiceOf: () => Voice): void {
  for (const [method, level] of Object.entries(methods)) {
    Object.assign(console, {
      [method]: (...values: unknown[]) =>
        voiceOf().log(level, format(...values).slice(0, maxLength), null),
    });
  }
}
