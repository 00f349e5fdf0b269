import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface DataFolderLock {
  release(): void;
}

/** Another process uses the data folder; the message names it. */
export class DataFolderInUseError extends Error {
  override name = "DataFolderInUseError";
  constructor(dataDir: string, holder: string) {
    super(
      `The data folder ${dataDir} is in use by another tl-engine (${holder}). ` +
        "Stop that one first, or give this one a folder of its own with TL_DATA_DIR.",
    );
  }
}

/** The data folder cannot be made, read or written; the message says why, and what to do. */
export class DataFolderUnusableError extends Error {
  override name = "DataFolderUnusableError";
  constructor(dataDir: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `The data folder ${dataDir} can't be used: ${reason}. ` +
        "It must be a folder that this user can write to; TL_DATA_DIR names another one.",
      { cause },
    );
  }
}

/**
 * Takes the data folder for this process until `release` or the end of the process, however it ends.
 *
 * Node has no flock; SQLite holds its exclusive lock as a lock of the operating system, which goes
 * with the process. A file with a process id can't do that: after kill -9 the id may be somebody else's.
 *
 * @throws DataFolderInUseError
 * @throws DataFolderUnusableError
 */
export function lockDataFolder(dataDir: string): DataFolderLock {
  try {
    return takeLock(dataDir);
  } catch (error) {
    throw error instanceof DataFolderInUseError
      ? error
      : new DataFolderUnusableError(dataDir, error);
  }
}

function takeLock(dataDir: string): DataFolderLock {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const holderFile = join(dataDir, "lock.pid");
  const database = new DatabaseSync(join(dataDir, "lock"), { timeout: 0 });
  try {
    // In this mode the lock taken by the first transaction stays until the file is closed.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new DataFolderInUseError(dataDir, readHolder(holderFile));
  }
  writeFileSync(holderFile, `${process.pid}\n`);
  return {
    release: () => {
      if (database.isOpen) database.close();
    },
  };
}

/** SQLITE_BUSY: somebody else holds the lock. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === 5;
}

function readHolder(file: string): string {
  try {
    return `process ${readFileSync(file, "utf8").trim()}`;
  } catch {
    return "just starting";
  }
}
