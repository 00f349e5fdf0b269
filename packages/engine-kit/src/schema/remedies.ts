/** What to write in place of the zod types that JSON Schema has no word for. */
export const remedyOfType: Readonly<Record<string, string>> = {
  bigint: "use z.int(), or z.string().regex(/^-?\\d+$/) where numbers pass 2^53",
  catch: "it accepts everything in silence; use .optional() or z.default()",
  custom: "test it in run() and throw a TerminalError",
  date: "JSON has no dates; use z.iso.datetime() and make the Date in run()",
  file: "JSON has no files; use z.string() with base64 text",
  function: "JSON has no functions",
  intersection: "write one object: a.extend(b.shape), or z.object({ ...a.shape, ...b.shape })",
  map: "JSON has no maps; use z.record(z.string(), value)",
  nan: "JSON has no NaN; use z.null()",
  nonoptional: "write the inner type without .optional()",
  pipe: "a transform, codec or preprocess changes values where JSON Schema only judges them; do it in run()",
  promise: "JSON has no promises; use the inner type",
  set: "JSON has no sets; use z.array(item)",
  success: "use z.boolean()",
  symbol: "JSON has no symbols",
  transform: "change values in run()",
  undefined: "JSON has no undefined; use .optional() or z.null()",
  void: "JSON has no undefined; use z.null()",
};

/** The same for checks, by the name that zod gives them. */
export const remedyOfCheck: Readonly<Record<string, string>> = {
  custom:
    "refine, superRefine and check cannot be told to callers; test it in run() and throw a TerminalError",
  overwrite: "trim, toLowerCase, normalize and overwrite change values; do it in run()",
  property: "say it in the member's own schema",
  properties: "say it in the members' own schemas",
};

/** String formats whose test in zod says more than a pattern can. */
export const remedyOfFormat: Readonly<Record<string, string>> = {
  url: "no pattern says what a URL is; use httpUrl() of this package, or z.string() and new URL() in run()",
  base64: "its pattern fails on long texts; use z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/)",
  base64url: "its pattern fails on long texts; use z.string().regex(/^[A-Za-z0-9_-]*$/)",
  jwt: "use z.string() and verify it in run()",
  json_string: "take the JSON itself: z.unknown()",
  credit_card: "its check sum is no pattern; test it in run()",
  iban: "its check sum is no pattern; test it in run()",
};
