import type { ProblemError } from "@tl-engine/contract";

/** There is no registered remote engine of this name. */
export class RemoteEngineNotFoundError extends Error {
  override name = "RemoteEngineNotFoundError";
  constructor(name: string) {
    super(`There is no remote engine ${name}.`);
  }
}

/** The id, or the version, is taken. */
export class EngineExistsError extends Error {
  override name = "EngineExistsError";
}

/** Unfinished executions hold what should go. */
export class EngineInUseError extends Error {
  override name = "EngineInUseError";
  constructor(held: readonly { version: number; unfinished: number }[], id: string) {
    const names = held.map(
      ({ version, unfinished }) =>
        `${id}@${version} by ${unfinished} unfinished ${unfinished === 1 ? "execution" : "executions"}`,
    );
    super(
      `${names.join(", ")} held: set is_active to false, so that no more come, and let them end or cancel them`,
    );
  }
}

/** What is asked for does not fit together. */
export class RemoteEngineInvalidError extends Error {
  override name = "RemoteEngineInvalidError";
  readonly errors: readonly ProblemError[];
  constructor(errors: readonly ProblemError[]) {
    super(errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; "));
    this.errors = errors;
  }
}
