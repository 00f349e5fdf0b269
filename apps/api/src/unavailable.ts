import { Refusal } from "./problem.ts";

/** How long a caller should wait before he tries again after a 503, seconds. */
const retryAfterSeconds = "2";

/** The refusal for whatever cannot be done at the moment. */
export function unavailable(
  detail = "The service cannot do this at the moment; try again",
): Refusal {
  return new Refusal("unavailable", detail, { headers: { "Retry-After": retryAfterSeconds } });
}
