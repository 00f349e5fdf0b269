/**
 * The modules of the built-in engines, as `file:` URLs: each has engines as its default export.
 * Addresses only, so that whoever lists them runs no engine's code; a host thread imports them.
 */
export const builtInEngineModules: readonly string[] = [
  "./analyze-table/engine.ts",
  "./connection-test/engine.ts",
  "./echo/engine.ts",
  "./grpc-call/engine.ts",
  "./http-request/engine.ts",
  "./notify-send/engine.ts",
  "./transform-jsonata/engine.ts",
  "./validate-json-schema/engine.ts",
  "./webhook-deliver/engine.ts",
  "./websocket-exchange/engine.ts",
].map((module) => new URL(module, import.meta.url).href);
