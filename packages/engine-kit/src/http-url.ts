import { z } from "zod";

/**
 * An absolute `http:` or `https:` URL, as far as a pattern can say it: scheme, host, no spaces and
 * no credentials. In the place of `z.url()`, whose test JSON Schema cannot express; `new URL()`
 * in `run` has the last word.
 */
export function httpUrl(): z.ZodString {
  return z
    .string()
    .max(8192)
    .regex(
      /^[hH][tT][tT][pP][sS]?:\/\/[^\s/?#@\\]+([/?#][^\s]*)?$/u,
      "must be an absolute http or https URL",
    );
}
