export { type AttemptPorts, createContext, type LogLevel } from "./context.ts";
export { type AnyEngine, executeEngine, parseInput, writeOutput } from "./execute-engine.ts";
export { type ExecutionErrorFacts, toExecutionError } from "./execution-error.ts";
export { assertPlainJson, maxOutputDepth } from "./plain-json.ts";
export { isKeepable, keepable } from "./text.ts";
export { offerKitToModules } from "./offer-kit.ts";
