import { type z } from "zod";
import { checkContract, contractMembers, subjectOf } from "./contract-checks.ts";
import { type EngineContract } from "./engine.ts";
import { EngineDefinitionError } from "./errors.ts";

/**
 * An engine's contract apart from its code, for callers who want the types and nothing else:
 * put it in `contract.ts`, and spread it into `defineEngine({ ...contract, run })`.
 *
 * @throws EngineDefinitionError naming each wrong member and its remedy
 *
 * @example
 * export const contract = defineContract({
 *   id: "greet",
 *   version: 1,
 *   input: z.object({ name: z.string().min(1) }),
 *   output: z.object({ greeting: z.string() }),
 * });
 */
export function defineContract<const I extends z.ZodType, const O extends z.ZodType>(
  contract: EngineContract<I, O>,
): EngineContract<I, O> {
  const problems: string[] = [];
  for (const key of Object.keys(contract)) {
    if (!(contractMembers as readonly string[]).includes(key)) {
      problems.push(
        `${key}: not part of a contract (${contractMembers.join(", ")}); it goes into defineEngine`,
      );
    }
  }
  checkContract(contract, (problem) => problems.push(problem));
  if (problems.length > 0) throw new EngineDefinitionError(subjectOf(contract), problems);
  return Object.freeze({ ...contract });
}
