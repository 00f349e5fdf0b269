import { z } from "zod";
import { annotationsOf } from "./annotations.ts";
import { pointerOf, sentenceOf, issuesOf } from "./issue.ts";
import { numberRules } from "./number-rules.ts";
import { remedyOfCheck, remedyOfType } from "./remedies.ts";
import { stringRules } from "./string-rules.ts";

type Schema = z.core.$ZodType;
type Def = z.core.$ZodTypes["_zod"]["def"];
type AnyCheck = z.core.$ZodCheck<never>;
/** The author's own messages, carried over. */
type Params = { error?: (issue: unknown) => string | { message: string } | undefined | null };

/** A schema this deep is one that makes itself anew at every look. */
const deepest = 100;

/**
 * Makes of an author's schema one of the same meaning, built only of parts that judge exactly as
 * their JSON Schema does, and gathers all that has no such part. Works on definitions, not on
 * classes, since an engine may bring a copy of zod of its own.
 */
export class Rebuild {
  /** Annotations and keywords that zod's own emitter adds to the rebuilt schemas. */
  readonly annotations = z.registry<Record<string, unknown>>();
  readonly #done = new Map<Schema, z.ZodType>();
  readonly #underway = new Set<Schema>();
  readonly #problems = new Set<string>();
  readonly #later: (() => void)[] = [];

  /** The rebuilt form of `schema`; problems are gathered, see `finish`. */
  of(schema: Schema, name: string): z.ZodType {
    return this.#visit(schema, name, []);
  }

  /** Every problem found, once the whole was visited. */
  finish(): string[] {
    if (this.#problems.size === 0) for (const check of this.#later) check();
    return [...this.#problems];
  }

  #visit(schema: Schema, name: string, path: readonly string[]): z.ZodType {
    const done = this.#done.get(schema);
    if (done) return done;
    // A recursive schema: by the time that anything is parsed, the rebuilt one is there.
    if (this.#underway.has(schema)) return z.lazy(() => this.#done.get(schema) ?? z.never());
    const where = `${name}${pointerOf(path)}`;
    const refuse = (what: string, remedy: string) => {
      this.#problems.add(`${where}: ${what} has no place in JSON Schema: ${remedy}`);
    };
    if (path.length > deepest) {
      this.#problems.add(
        `${name}: nested deeper than ${deepest}; a z.lazy() that makes a new schema at each call never ends, make it once`,
      );
      return z.never();
    }
    this.#underway.add(schema);
    const child = (inner: Schema, ...parts: string[]) =>
      this.#visit(inner, name, [...path, ...parts]);
    const annotations = annotationsOf(schema, refuse);
    const { rebuilt, keywords } = this.#part(schema, where, child, refuse);
    // These two stand for their inner schema, which keeps words of its own.
    const transparent = ["lazy", "readonly"].includes((schema._zod.def as Def).type);
    const result =
      transparent && Object.keys(annotations).length > 0 ? z.lazy(() => rebuilt) : rebuilt;
    const told = { ...keywords, ...annotations };
    if (Object.keys(told).length > 0) this.annotations.add(result, told);
    this.#underway.delete(schema);
    this.#done.set(schema, result);
    return result;
  }

  #part(
    schema: Schema,
    where: string,
    child: (inner: Schema, ...parts: string[]) => z.ZodType,
    refuse: (what: string, remedy: string) => void,
  ): { rebuilt: z.ZodType; keywords?: Record<string, unknown> } {
    const def = schema._zod.def as Def;
    const checks = checksOf(schema);
    const params: Params = def.error ? { error: def.error as NonNullable<Params["error"]> } : {};
    const noChecks = () => {
      for (const check of checks) {
        const kind = check._zod.def.check;
        refuse(`the check ${kind}`, remedyOfCheck[kind] ?? "test it in run()");
      }
    };
    const noCoercion = () => {
      if ("coerce" in def && def.coerce) {
        refuse(
          "z.coerce",
          "it accepts what its type does not say; use the type and convert in run()",
        );
      }
    };

    switch (def.type) {
      case "string": {
        noCoercion();
        const rules = stringRules(checks, refuse);
        return { rebuilt: z.string(params).check(...rules.checks), keywords: rules.keywords };
      }
      case "template_literal": {
        noChecks();
        const format = {
          check: "string_format",
          format: "template_literal",
          pattern: schema._zod.pattern,
        };
        const rules = stringRules([{ _zod: { def: format } } as unknown as AnyCheck], refuse);
        return { rebuilt: z.string(params).check(...rules.checks), keywords: rules.keywords };
      }
      case "number": {
        noCoercion();
        const rules = numberRules(checks, refuse);
        return { rebuilt: z.number(params).check(...rules.checks), keywords: rules.keywords };
      }
      case "boolean":
        noCoercion();
        noChecks();
        return { rebuilt: z.boolean(params) };
      case "null":
        noChecks();
        return { rebuilt: z.null(params) };
      case "any":
      case "unknown":
        noChecks();
        return { rebuilt: z.unknown() };
      case "never":
        noChecks();
        return { rebuilt: z.never(params) };
      case "literal":
        noChecks();
        for (const value of def.values) {
          if (!isJsonScalar(value))
            refuse(`the literal ${String(value)}`, "JSON has no such value");
        }
        return { rebuilt: z.literal(def.values, params) };
      case "enum":
        noChecks();
        return { rebuilt: z.enum(def.entries, params) };
      case "array": {
        for (const check of checks) {
          const kind = check._zod.def.check;
          if (kind !== "min_length" && kind !== "max_length" && kind !== "length_equals") {
            refuse(`the check ${kind}`, remedyOfCheck[kind] ?? "test it in run()");
          }
        }
        const lengths = checks as unknown as z.core.$ZodCheck<unknown[]>[];
        return { rebuilt: z.array(child(def.element, "items"), params).check(...lengths) };
      }
      case "tuple": {
        noChecks();
        const items = def.items.map((item, i) => child(item, String(i))) as [z.ZodType];
        return {
          rebuilt: def.rest
            ? z.tuple(items, child(def.rest, "items"), params)
            : z.tuple(items, params),
        };
      }
      case "object":
        noChecks();
        return { rebuilt: this.#object(def, child, refuse, params) };
      case "record":
        noChecks();
        return { rebuilt: this.#record(def, child, refuse, params) };
      case "union":
        noChecks();
        return { rebuilt: unionOf(def, child, refuse, params) };
      case "nullable":
        noChecks();
        return { rebuilt: z.nullable(child(def.innerType)) };
      case "optional":
        noChecks();
        return { rebuilt: z.optional(child(def.innerType)) };
      case "default":
      case "prefault": {
        noChecks();
        const inner = child(def.innerType);
        this.#checkDefault(where, inner, def.defaultValue, refuse);
        return {
          rebuilt:
            def.type === "default"
              ? z._default(inner, () => def.defaultValue)
              : z.prefault(inner, () => def.defaultValue),
        };
      }
      case "readonly":
        noChecks();
        return { rebuilt: child(def.innerType) };
      case "lazy":
        noChecks();
        return { rebuilt: child((schema as z.core.$ZodLazy)._zod.innerType) };
      default:
        refuse(`z.${def.type}`, remedyOfType[def.type] ?? "say it with another type");
        return { rebuilt: z.never() };
    }
  }

  #object(
    def: z.core.$ZodObjectDef,
    child: (inner: Schema, ...parts: string[]) => z.ZodType,
    refuse: (what: string, remedy: string) => void,
    params: Params,
  ): z.ZodType {
    const shape: Record<string, z.ZodType> = {};
    for (const key of Reflect.ownKeys(def.shape)) {
      if (typeof key === "symbol" || key in Object.prototype) {
        refuse(`the member ${String(key)}`, "every JavaScript object has one; choose another name");
        continue;
      }
      shape[key] = child(def.shape[key] as Schema, key);
    }
    const object = z.strictObject(shape, params);
    if (!def.catchall || def.catchall._zod.def.type === "never") return object;
    return object.catchall(child(def.catchall, "*"));
  }

  #record(
    def: z.core.$ZodRecordDef,
    child: (inner: Schema, ...parts: string[]) => z.ZodType,
    refuse: (what: string, remedy: string) => void,
    params: Params,
  ): z.ZodType {
    const key = def.keyType as unknown as Schema;
    const { type } = key._zod.def as Def;
    if (def.mode === "loose") refuse("z.looseRecord", "use z.record, or z.looseObject");
    if (!["string", "enum", "literal", "template_literal"].includes(type)) {
      refuse(
        `a record with keys of z.${type}`,
        "use z.string(), z.enum() or z.literal() of strings",
      );
      return z.never();
    }
    for (const value of key._zod.values ?? []) {
      if (typeof value !== "string" || value in Object.prototype) {
        refuse(
          `the key ${String(value)}`,
          "keys are strings that no JavaScript object has of itself",
        );
      }
    }
    const keys = child(key, "{key}") as z.ZodString;
    const values = child(def.valueType, "*");
    return "partial" in def && def.partial
      ? z.partialRecord(keys, values, params)
      : z.record(keys, values, params);
  }

  #checkDefault(
    where: string,
    inner: z.ZodType,
    value: unknown,
    refuse: (what: string, remedy: string) => void,
  ): void {
    let plain: unknown;
    try {
      plain = JSON.parse(JSON.stringify(value)) as unknown;
    } catch {
      refuse("a default that is not JSON", "give a value that JSON can carry");
      return;
    }
    this.#later.push(() => {
      const result = inner.safeParse(plain);
      if (!result.success) {
        this.#problems.add(
          `${where}: the default does not fit its own type: ${sentenceOf(issuesOf(result.error))}`,
        );
      }
    });
  }
}

function unionOf(
  def: z.core.$ZodUnionDef | z.core.$ZodDiscriminatedUnionDef,
  child: (inner: Schema, ...parts: string[]) => z.ZodType,
  refuse: (what: string, remedy: string) => void,
  params: Params,
): z.ZodType {
  const options = def.options.map((option, i) => child(option, `|${i}`)) as [z.ZodType];
  if ("discriminator" in def) {
    if (def.unionFallback) refuse("unionFallback", "use z.union");
    return z.discriminatedUnion(def.discriminator, options as unknown as [z.ZodObject], params);
  }
  return def.inclusive === false ? z.xor(options, params) : z.union(options, params);
}

/** A format such as z.email() is its own first check. */
function checksOf(schema: Schema): AnyCheck[] {
  const own = schema._zod.traits.has("$ZodCheck") ? [schema as unknown as AnyCheck] : [];
  return [...own, ...((schema._zod.def.checks ?? []) as AnyCheck[])];
}

function isJsonScalar(value: unknown): boolean {
  return (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value) && !Object.is(value, -0))
  );
}
