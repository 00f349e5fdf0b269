import { z } from "zod";
import type { ApiDeps } from "./api-deps.ts";
import { checkBody } from "./body-errors.ts";
import type { ApiContext } from "./endpoint.ts";
import { readJsonBody } from "./json-body.ts";
import { readQuery } from "./query.ts";

/** An empty object says no more than no body at all. */
const nothing = z.strictObject({});

/**
 * For an endpoint that takes neither a query nor a body.
 * @param whatComesFirst asked where one of them is there after all: throws the 404 that comes before their refusal
 * @throws Refusal 415, 413, 400, 422
 */
export async function checkNoBody(
  c: ApiContext,
  { settings }: ApiDeps,
  whatComesFirst: () => Promise<void>,
): Promise<void> {
  try {
    const body = await readJsonBody(c, settings.maxBodyBytes);
    readQuery(c, []);
    if (body !== undefined) checkBody(nothing, body);
  } catch (error) {
    await whatComesFirst();
    throw error;
  }
}
