import { TerminalError, type HttpClient, type HttpResponse } from "@tl-engine/engine-kit";
import { createSchemaCheck } from "@tl-engine/shared/json-schema/schema-check.ts";
import type { StartMessage } from "./protocol.ts";
import type { RemoteOrder } from "./remote-order.ts";
import { serviceError } from "./service-error.ts";

/** Bytes that an answer may have beyond the output in it: white space. */
const besideOutput = 1024;

/** What came of asking a service: its output, or that it has taken the execution on and will say later. */
export type RemoteEnd = { outputText: string } | "handed_over";

const check = createSchemaCheck();

/**
 * Has a service do an execution: one POST with the input, through the engine's connection.
 * @throws TerminalError `output_invalid` or `output_too_large`; what the service said as an error; what the door throws
 */
export async function runRemote(
  http: HttpClient,
  message: StartMessage,
  order: RemoteOrder,
  maxOutputBytes: number,
): Promise<RemoteEnd> {
  let response: HttpResponse;
  try {
    response = await http.request(order.path, {
      method: order.method,
      body: bodyOf(message, order),
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "tl-execution-id": message.executionId,
        "tl-attempt": String(message.attempt),
      },
      // The same for every attempt, so that a service can tell that it has done the work already.
      idempotencyKey: message.executionId,
      idempotent: true,
      step: "remote",
      timeout: order.timeoutMs,
      maxResponseBytes: maxOutputBytes + besideOutput,
      // An answer is the service's own: what it leads to is not asked.
      redirect: "none",
      acceptStatus: [200, 202],
    });
  } catch (error) {
    throw serviceError(error, maxOutputBytes);
  }
  if (response.status === 202) return handedOver(order);
  return { outputText: outputOf(response, message, order, maxOutputBytes) };
}

/** The input is put in as it was sent, without a parse that could change its numbers. */
function bodyOf(message: StartMessage, order: RemoteOrder): string {
  const { executionId, engineId, version, attempt, dispatch, inputText } = message;
  const before = {
    execution_id: executionId,
    engine: engineId,
    version,
    attempt,
    max_attempts: order.maxAttempts,
    dispatch,
    deadline: order.deadline,
    complete: order.complete,
  };
  return `${JSON.stringify(before).slice(0, -1)},"input":${inputText}}`;
}

function handedOver({ complete }: RemoteOrder): "handed_over" {
  if (complete !== null) return "handed_over";
  throw new TerminalError(
    "The service answered 202, and has no token to complete it with: set TL_SECRET_KEY for API and workers",
    { code: "upstream_error" },
  );
}

function outputOf(
  response: HttpResponse,
  { engineId, version }: StartMessage,
  { revision, outputSchema }: RemoteOrder,
  maxOutputBytes: number,
): string {
  let output: unknown;
  try {
    output = response.json();
  } catch (error) {
    throw new TerminalError("The service answered 200 with something that is not JSON", {
      code: "output_invalid",
      cause: error,
    });
  }
  const outputText = JSON.stringify(output);
  const bytes = Buffer.byteLength(outputText);
  if (bytes > maxOutputBytes) {
    throw new TerminalError(
      `The service's output is larger than ${maxOutputBytes} bytes; store it elsewhere and return its address`,
      { code: "output_too_large", details: { limit_bytes: maxOutputBytes } },
    );
  }
  const errors = check(
    { name: `${engineId}@${version}`, fingerprint: String(revision), schema: outputSchema },
    { value: output, bytes, pointer: "", noun: "output" },
  );
  const [first] = errors;
  if (first === undefined) return outputText;
  throw new TerminalError(
    `The service's output does not fit the engine's schema: ${first.pointer || "the whole"} ${first.detail}`,
    { code: "output_invalid", details: { errors: errors.slice(0, 20) } },
  );
}
