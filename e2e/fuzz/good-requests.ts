import fc, { type Arbitrary } from "fast-check";
import { connectionValues } from "./connection-values.ts";
import type { Operation, Parameter } from "./operations.ts";
import { timesFrom, valuesOf, type SchemaReader } from "./schema-values.ts";
import type { WireRequest } from "./wire-request.ts";
import type { Pool, World } from "./world.ts";

/** A request without a credential that the document allows, with values that exist in this deployment. */
export function goodRequests(world: World, operation: Operation): Arbitrary<WireRequest> {
  // The one that takes any input comes most often.
  const engines = [...world.inputs.keys()];
  return fc.constantFrom(...engines, "echo", "echo", "echo").chain((engine) => {
    const reader = readerFor(world, engine, operation);
    const given = (parameter: Parameter): Arbitrary<string | undefined> => {
      const values =
        parameterValues(world, engine, operation, parameter) ??
        valuesOf(parameter.schema, reader).map(String);
      if (parameter.required) return values;
      // A wait costs a second where the execution does not end.
      const weight = ["wait", "Prefer"].includes(parameter.name) ? 10 : 1;
      return fc.oneof(
        { weight, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: values },
      );
    };
    const places = (where: Parameter["in"]): Arbitrary<[string, string][]> =>
      fc
        .tuple(
          ...operation.parameters
            .filter((parameter) => parameter.in === where)
            .map((parameter) => given(parameter).map((value) => [parameter.name, value] as const)),
        )
        .map((all) => all.filter((one): one is [string, string] => one[1] !== undefined));
    return fc
      .record({
        path: places("path"),
        query: places("query"),
        headers: places("header"),
        body: bodiesOf(operation, reader),
        chunked: fc.boolean(),
      })
      .map(({ path, query, headers, body, chunked }) => {
        const parameters = query.map(
          ([name, value]) =>
            `${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`,
        );
        const filled = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
          encodeURIComponent(path.find(([own]) => own === name)?.[1] ?? "").replaceAll("%40", "@"),
        );
        return {
          method: operation.method,
          target: parameters.length === 0 ? filled : `${filled}?${parameters.join("&")}`,
          headers: [
            ...headers,
            ...(body === null ? [] : [["Content-Type", "application/json"] as const]),
          ],
          body,
          chunked: chunked && body !== null,
        };
      });
  });
}

function bodiesOf({ body }: Operation, reader: SchemaReader): Arbitrary<Buffer | null> {
  if (body === null) return fc.constant(null);
  const bodies = valuesOf(body.schema, reader).map((value) => Buffer.from(JSON.stringify(value)));
  return body.required ? bodies : fc.option(bodies);
}

/** Values that fit each other: an engine's own input, durations below its ceilings, times near now. */
function readerFor(
  { document, inputs, connections, startedAt }: World,
  engine: string,
  operation: Operation,
): SchemaReader {
  const reader: SchemaReader = {
    resolve: (schema) => document.resolve(schema),
    named(name) {
      switch (name) {
        case "input":
          return valuesOf(inputs.get(engine) ?? true, { ...reader, named: () => undefined });
        case "engine":
          return fc.constantFrom(engine, `${engine}@1`);
        case "delay":
          return fc.constantFrom("0s", "1ms", "500ms", "1h", "30d", null);
        case "run_at":
          return fc.oneof(
            { weight: 4, arbitrary: fc.constant(null) },
            { weight: 1, arbitrary: timesFrom(startedAt) },
          );
        case "ttl":
        case "timeout":
          return fc.constantFrom("1m", "1ms", "900ms", "30s", "1h");
        case "overlap":
          return fc.constantFrom("0s", "1ms", "1h", "7d");
        case "url":
          return fc.constantFrom("https://127.0.0.1:9/hook", "http://localhost/hook");
        case "callback":
          return fc.constant({ url: "https://127.0.0.1:9/hook" });
        case "expires_at":
          return fc.oneof(fc.constant(null), timesFrom(startedAt));
        default:
          return (
            remoteEngineValues(connections, operation.id, name) ??
            connectionValues(operation.id, name)
          );
      }
    },
  };
  return reader;
}

/** What is taken of an engine that is registered or changed; undefined: what its schema says. */
function remoteEngineValues(
  connections: Pool,
  operation: string,
  name: string,
): Arbitrary<unknown> | undefined {
  if (!["registerEngine", "changeEngine"].includes(operation)) return undefined;
  switch (name) {
    case "id":
      return fc.uuid().map((id) => `made-${id}`);
    case "version":
      return fc.constant(1);
    case "connection":
      return fc.constantFrom(...connections.values.slice(0, 3));
    case "path":
      return fc.constantFrom("/", "/run?x=1");
    case "policy":
      return fc.constantFrom({}, { timeout: "30s", max_attempts: { max: 9 } });
    case "example":
      return fc.constant(null);
    case "input_schema":
    case "output_schema":
      return fc.constant({});
    default:
      return undefined;
  }
}

const words = ["attempts", "calls", "input", "output"];

/** What a parameter of this name means here; undefined: what its schema says. */
function parameterValues(
  world: World,
  engine: string,
  operation: Operation,
  { name }: Parameter,
): Arbitrary<string> | undefined {
  const manyIds = operation.path.endsWith("/engines/status");
  switch (name) {
    case "engine_id":
      if (["changeEngine", "unregisterEngine"].includes(operation.id))
        return from(world.remoteEngines);
      return fc.constantFrom(engine, engine, engine, engine, `${engine}@1`, "nobody-has-this");
    case "callback_id":
      return fc.constant(world.told.callback);
    case "call_id":
      return fc.constant(world.told.call);
    case "execution_id":
      if (operation.path.includes("{callback_id}")) return fc.constant(world.told.execution);
      return manyIds
        ? fc.array(from(world.executions), { minLength: 1, maxLength: 5 }).map((ids) => ids.join())
        : operation.path.endsWith("/cancel")
          ? fc.oneof(from(world.executions), from(world.open))
          : from(world.executions);
    case "key_id":
      return from(world.keys);
    case "webhook_endpoint_id":
      return from(world.webhookEndpoints);
    case "connection_id":
      return from(world.connections);
    case "cursor":
      return from(world.cursorsOf(operation.path));
    case "engine":
      return fc.constantFrom(engine, "echo");
    case "tag":
      return fc.constantFrom("invoice", "x");
    case "include":
      return fc.subarray(words, { minLength: 1 }).map((some) => some.join());
    case "wait":
      return fc.constant("1");
    case "created_after":
    case "created_before":
      return timesFrom(world.startedAt);
    case "Idempotency-Key":
      return fc.oneof(
        fc.nat({ max: 30 }).map((n) => `key-${n}`),
        fc.uuid().map((key) => `"${key}"`),
      );
    case "Prefer":
      return fc.constantFrom("wait=1", 'respond-async, wait="1"', "handling=lenient");
    case "If-None-Match":
      return fc.oneof(from(world.etags), fc.constant("*"));
    default:
      return undefined;
  }
}

/** One of the values that a pool holds at this moment. */
function from({ values }: Pool): Arbitrary<string> {
  return fc.nat({ max: 999 }).map((n) => values[n % Math.max(1, values.length)] ?? "none-yet");
}
