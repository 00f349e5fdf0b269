import {
  isDone,
  type Connection,
  type ConnectionTestResult,
  type TestConnection,
} from "@tl-engine/contract";
import { planeCaller } from "@tl-engine/shared/callers/caller.ts";
import { connectionTestEngine } from "@tl-engine/shared/connections/may-use-connection.ts";
import { cancelExecution } from "@tl-engine/shared/executions/cancel.ts";
import type { ExecutionRow } from "@tl-engine/shared/executions/row.ts";
import type { ApiDeps } from "./api-deps.ts";
import { invalidBody } from "./body-errors.ts";
import type { ApiContext } from "./endpoint.ts";
import { hold } from "./hold.ts";
import { resolveOptions } from "./submit-options.ts";
import { unavailable } from "./unavailable.ts";
import { withDeadline } from "./with-deadline.ts";

/** How long a test may take before it is given up, seconds. */
const patienceSeconds = 20;
const recordWithinMs = 2_500;

/**
 * Lets a worker make one call through a connection, as tl-plane's execution, and waits for what comes of it.
 * @throws Refusal 422 where the connection allows no call that changes nothing; 503 where no worker can try
 */
export async function tryConnection(
  c: ApiContext,
  deps: ApiDeps,
  connection: Connection,
  { path }: TestConnection,
): Promise<ConnectionTestResult> {
  const { kind } = connection;
  const input = {
    connection: connection.id,
    kind,
    method: kind === "http" ? harmlessMethod(connection) : undefined,
    path,
  };
  let engine = await deps.catalogue.resolve(connectionTestEngine);
  if (engine?.live === false) {
    // A worker that has begun since the catalogue was read is in time.
    await deps.catalogue.refresh();
    engine = await deps.catalogue.resolve(connectionTestEngine);
  }
  if (engine === null || !engine.live) {
    throw unavailable(
      `No worker that is alive serves the engine ${connectionTestEngine}, which makes the call; start one`,
    );
  }
  const { resolved } = resolveOptions({}, engine.policy, deps.now());
  const result = await withDeadline(
    deps.submitter.submit({
      id: deps.newExecutionId(),
      callerId: planeCaller.id,
      engineId: engine.id,
      version: engine.version,
      ...resolved,
      inputText: JSON.stringify(input),
      tags: ["connection-test"],
      metadataText: "{}",
      callbackText: null,
      idempotency: null,
      traceparent: null,
    }),
    recordWithinMs,
  );
  if (!("execution" in result)) throw unavailable();
  const { id } = result.execution;
  c.set("executionId", id);
  const row = await hold(c, deps, id, {
    seconds: patienceSeconds,
    include: { output: true, input: false, attempts: false, calls: false },
    until: (seen) => isDone(seen.status) || isHeldUp(seen),
    justAccepted: true,
  });
  if (row === null || !isDone(row.status)) {
    // Nobody waits for it any more.
    await cancelExecution(deps.db.pool, deps.signals, planeCaller, id);
    if (row === null || (row.status === "queued" && !isHeldUp(row))) {
      throw unavailable(
        `No worker began within ${patienceSeconds} s to make the call: those that are alive are busy, or their queue is away`,
      );
    }
  }
  return { ...judge(row, kind, path !== undefined), execution_id: id };
}

/** Calls that change nothing on the other side (RFC 9110, 9.2.1). */
function harmlessMethod({ methods }: Connection): "GET" | "HEAD" {
  const method = (["GET", "HEAD"] as const).find(
    (one) => methods === null || methods.includes(one),
  );
  if (method === undefined) {
    throw invalidBody([
      {
        pointer: "",
        detail:
          "cannot be tried: the connection's methods have neither GET nor HEAD, and any other call may change something",
      },
    ]);
  }
  return method;
}

/** It waits for the outside and holds no slot. */
function isHeldUp({ status, wait_reason }: ExecutionRow): boolean {
  return status === "queued" && (wait_reason === "circuit_open" || wait_reason === "retry_after");
}

type Judged = Omit<ConnectionTestResult, "execution_id">;

function judge(row: ExecutionRow, kind: Connection["kind"], namedPath: boolean): Judged {
  const failed = (code: string, detail: string, status: number | null = null): Judged => ({
    ok: false,
    duration_ms: row.run_ms,
    status,
    error: { code, detail },
  });
  if (row.status === "succeeded" && row.output !== null) {
    const { status, duration_ms } = JSON.parse(row.output) as {
      status: number;
      duration_ms: number;
    };
    const wrong = kind === "grpc" ? judgeCode(status) : judgeStatus(status, kind, namedPath);
    if (wrong === null) return { ok: true, duration_ms, status, error: null };
    return { ...failed("upstream_error", wrong, status), duration_ms };
  }
  if (row.error !== null) {
    const { code, detail } = JSON.parse(row.error) as { code: string; detail: string };
    return failed(code, detail);
  }
  if (row.wait_reason !== null && isHeldUp(row)) {
    return failed(
      row.wait_reason,
      row.wait_reason === "circuit_open"
        ? "the connection's circuit is open: its last calls failed; it is tried again by itself"
        : "the other side asked to wait before it is called again",
    );
  }
  return failed("timeout", `there was no result within ${patienceSeconds} s`);
}

/** What an answer says against the connection, or null. Of the base URL alone nobody says that there is anything at it. */
function judgeStatus(status: number, kind: Connection["kind"], namedPath: boolean): string | null {
  if (status < 400) return null;
  if (status === 401 || status === 403 || status === 407) {
    return `the other side answered ${status}: it does not take the credentials`;
  }
  if (kind === "smtp" && status === 535) {
    return `the other side answered ${status}: it does not take the credentials`;
  }
  if (!namedPath && (status === 404 || status === 405)) return null;
  return `the other side answered ${status}`;
}

/** The same of a gRPC status: a server without the health service has answered all the same. */
function judgeCode(code: number): string | null {
  const [ok, notFound, unimplemented] = [0, 5, 12];
  if (code === ok || code === notFound || code === unimplemented) return null;
  const [permissionDenied, unauthenticated] = [7, 16];
  if (code === permissionDenied || code === unauthenticated) {
    return `the other side answered with status ${code}: it does not take the credentials`;
  }
  return `the other side answered with status ${code}`;
}
