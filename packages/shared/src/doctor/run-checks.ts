import { warning, wordsOf, type Check, type Finding } from "./finding.ts";

/** The title of a finding that says that something could not be looked at. */
export const couldNotLook = "This could not be looked at";
/** A check that takes longer is given up, ms. */
const patienceMs = 10_000;

/** Runs all checks beside one another. One that fails is a finding and spoils no other. */
export async function runChecks(checks: readonly Check[]): Promise<Finding[]> {
  const found = await Promise.all(checks.map((check) => runCheck(check)));
  return found.flat();
}

async function runCheck({ id, look }: Check): Promise<Finding[]> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`no answer for ${patienceMs / 1000} s`)),
    patienceMs,
  );
  try {
    return await Promise.race([look(), late.promise]);
  } catch (thrown) {
    return [warning(id, couldNotLook, wordsOf(thrown), "tl doctor   # look once more")];
  } finally {
    clearTimeout(timer);
  }
}
