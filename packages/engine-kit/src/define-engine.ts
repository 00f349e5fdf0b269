import { type z } from "zod";
import { type Use } from "./clients.ts";
import { checkContract, contractMembers, subjectOf } from "./contract-checks.ts";
import { type EngineDescriptor } from "./descriptor.ts";
import { type Engine, type EngineDefinition, engineInternals } from "./engine.ts";
import { EngineDefinitionError } from "./errors.ts";
import { policyOf } from "./policy.ts";

const members: readonly string[] = [
  ...contractMembers,
  "timeout",
  "ttl",
  "maxAttempts",
  "backoff",
  "concurrency",
  "isolation",
  "short",
  "memory",
  "uses",
  "run",
];

/**
 * An engine: a named, versioned unit of work. Make it a module's default export.
 *
 * Input and output must be what JSON Schema can say, since callers are checked against it before
 * an execution is accepted; anything else is refused here, with the path and the remedy.
 *
 * @throws EngineDefinitionError naming each wrong member and its remedy
 *
 * @example
 * export default defineEngine({
 *   id: "greet",
 *   version: 1,
 *   input: z.object({ name: z.string().min(1) }),
 *   output: z.object({ greeting: z.string() }),
 *   run: ({ name }) => ({ greeting: `Hello, ${name}!` }),
 * });
 */
export function defineEngine<
  const I extends z.ZodType,
  const O extends z.ZodType,
  const U extends readonly Use[] = readonly [],
>(definition: EngineDefinition<I, O, U>): Engine<I, O, U> {
  const problems: string[] = [];
  const report = (problem: string) => problems.push(problem);
  for (const key of Object.keys(definition)) {
    if (!members.includes(key)) report(`${key}: unknown member; there is ${members.join(", ")}`);
  }
  const contract = checkContract(definition, report);
  const policy = policyOf(definition, report);
  if (typeof definition.run !== "function") report("run: a function (input, ctx) => output");
  if (problems.length > 0 || !contract) {
    throw new EngineDefinitionError(subjectOf(definition), problems);
  }

  const descriptor: EngineDescriptor = deepFreeze({
    id: definition.id,
    version: definition.version,
    title: definition.title ?? definition.id,
    description: definition.description ?? null,
    input_schema: contract.input.jsonSchema,
    output_schema: contract.output.jsonSchema,
    example: contract.example,
    policy,
  });
  return Object.freeze({
    ...definition,
    // Not a plain spread of `run`: it keeps its own `this`, the definition.
    run: (input: z.output<I>, ctx: Parameters<typeof definition.run>[1]) =>
      definition.run(input, ctx),
    [engineInternals]: Object.freeze({
      format: 1 as const,
      descriptor,
      parseInput: contract.input.parse,
      parseOutput: contract.output.parse,
    }),
  });
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null) deepFreeze(member as object);
  }
  return Object.freeze(value);
}
