// `npm start`: everything on this machine, in one command. With --watch (`npm run dev`) it restarts on change.
import { join } from "node:path";
import { ConfigError } from "@tl-engine/shared/config/config-error.ts";
import { PortTakenError } from "./claim-port.ts";
import { DataFolderInUseError, DataFolderUnusableError } from "./data-folder-lock.ts";
import { EmbeddedPostgresMissingError } from "./embedded-binaries.ts";
import { EmbeddedPostgresError } from "./embedded-postgres.ts";
import { NotReadyError, runLocal } from "./run-local.ts";
import { CannotLeaveRootError } from "./unprivileged-runner.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const stop = new AbortController();
const hurry = new AbortController();

let firstSignalAt: number | null = null;
function onSignal(): void {
  // npm passes on the Ctrl-C that the terminal has sent us already: that is no second one.
  if (firstSignalAt !== null && performance.now() - firstSignalAt > 1_000) hurry.abort();
  firstSignalAt ??= performance.now();
  stop.abort();
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
// A terminal that went away is no reason to leave PostgreSQL running.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

try {
  await runLocal({
    env: process.env,
    root,
    entries: {
      api: join(root, "apps", "api", "src", "main.ts"),
      worker: join(root, "apps", "worker", "src", "main.ts"),
    },
    // Without configuration the entry points end at once; they are compiled all the same.
    preload: [
      ["apps", "api", "src", "main.ts"],
      ["apps", "api", "src", "start-api.ts"],
      ["apps", "worker", "src", "main.ts"],
      ["apps", "worker", "src", "start-worker.ts"],
      ["apps", "worker", "src", "host", "host-thread.ts"],
      ["apps", "worker", "src", "host", "outbound-clients.ts"],
      ...[
        "analyze-table",
        "connection-test",
        "echo",
        "grpc-call",
        "http-request",
        "notify-send",
        "transform-jsonata",
        "validate-json-schema",
        "webhook-deliver",
        "websocket-exchange",
      ].map((engine) => ["engines", engine, "engine.ts"]),
    ].map((path) => join(root, ...path)),
    watch: process.argv.includes("--watch"),
    stop: stop.signal,
    hurry: hurry.signal,
    say: (text) => console.log(text),
  });
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(isExplained(error) ? `\n${error.message}\n` : error);
    process.exitCode = 1;
  }
}

/** Errors that are no defect: the message alone says what to do. */
function isExplained(error: unknown): error is Error {
  return [
    ConfigError,
    DataFolderInUseError,
    DataFolderUnusableError,
    PortTakenError,
    EmbeddedPostgresMissingError,
    EmbeddedPostgresError,
    CannotLeaveRootError,
    NotReadyError,
  ].some((known) => error instanceof known);
}
