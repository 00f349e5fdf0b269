/** There is no key with this id. */
export class KeyNotFoundError extends Error {
  override name = "KeyNotFoundError";
  constructor(id: string) {
    super(`There is no key ${id}.`);
  }
}

/** The key was revoked, which is for good. */
export class KeyRevokedError extends Error {
  override name = "KeyRevokedError";
  constructor(id: string) {
    super(`The key ${id} was revoked, and stays so; create another one.`);
  }
}
