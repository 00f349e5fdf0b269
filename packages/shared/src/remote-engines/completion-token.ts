import { createHmac, timingSafeEqual } from "node:crypto";
import type { SecretBox } from "../secrets/secret-box.ts";

/** What the tokens are made with: apart from whatever else is made of the same secret key. */
const purpose = "completion-token";
const pattern = /^tlc_(0|[1-9][0-9]{0,9})_([A-Za-z0-9_-]{43})$/;

/** Tokens by which a service completes one execution under one dispatch, and nothing else. */
export interface CompletionTokens {
  /** `tlc_<dispatch>_<HMAC-SHA-256 of execution and dispatch>` */
  make(executionId: string, dispatch: number): string;
  /**
   * The dispatch that a token is for, where it is one for this execution; else null. Asks nobody, so that wrong ones cost
   * nothing.
   */
  check(executionId: string, token: string): number | null;
}

/** Signed by the current key; what was signed by an older one that is still configured is taken as well. */
export function createCompletionTokens(box: SecretBox): CompletionTokens {
  const keys = box.deriveKeys(purpose);
  const current = box.deriveKey(purpose);
  return {
    make: (id, dispatch) => `tlc_${dispatch}_${macOf(current, id, dispatch).toString("base64url")}`,
    check(id, token) {
      const [, dispatch = "", given = ""] = pattern.exec(token) ?? [];
      if (dispatch === "") return null;
      const bytes = Buffer.from(given, "base64url");
      // All keys are asked, whichever it was.
      let found = false;
      for (const key of keys) {
        if (timingSafeEqual(bytes, macOf(key, id, Number(dispatch)))) found = true;
      }
      return found ? Number(dispatch) : null;
    },
  };
}

function macOf(key: Buffer, executionId: string, dispatch: number): Buffer {
  return createHmac("sha256", key).update(`${executionId}.${dispatch}`).digest();
}
