import { z } from "zod";
import { remedyOfCheck } from "./remedies.ts";

type NumberCheck = z.core.$ZodCheck<number>;

/**
 * A number's checks: bounds and formats stay zod's own, which judge as JSON Schema does;
 * `multipleOf` is replaced by the arithmetic of JSON Schema validators.
 */
export function numberRules(
  checks: readonly z.core.$ZodCheck<never>[],
  refuse: (what: string, remedy: string) => void,
): { keywords: Record<string, unknown>; checks: (NumberCheck | z.core.CheckFn<number>)[] } {
  const divisors: number[] = [];
  const rules: (NumberCheck | z.core.CheckFn<number>)[] = [];
  for (const check of checks) {
    const def = check._zod.def as z.core.$ZodChecks["_zod"]["def"];
    const inst = check as NumberCheck;
    switch (def.check) {
      case "greater_than":
      case "less_than":
        if (Number.isFinite(def.value)) rules.push(inst);
        else refuse(`the bound ${String(def.value)}`, "give a finite number");
        break;
      case "number_format":
        rules.push(inst);
        break;
      case "multiple_of": {
        const divisor = Number(def.value);
        if (!Number.isSafeInteger(divisor) || divisor < 1) {
          refuse(
            `multipleOf(${String(def.value)})`,
            "fractions do not divide exactly in binary; use whole units, such as cents",
          );
          break;
        }
        if (!divisors.includes(divisor)) divisors.push(divisor);
        rules.push((payload) => {
          const quotient = payload.value / divisor;
          // parseInt and not Math.trunc: validators refuse quotients from 1e21 on, so we do.
          if (quotient === Number.parseInt(String(quotient), 10)) return;
          payload.issues.push({
            code: "not_multiple_of",
            origin: "number",
            divisor,
            input: payload.value,
            inst,
            continue: true,
          });
        });
        break;
      }
      default:
        refuse(`the check ${def.check}`, remedyOfCheck[def.check] ?? "test it in run()");
    }
  }
  const keywords: Record<string, unknown> = {};
  if (divisors.length === 1) keywords["multipleOf"] = divisors[0];
  if (divisors.length > 1) keywords["allOf"] = divisors.map((multipleOf) => ({ multipleOf }));
  return { keywords, checks: rules };
}
