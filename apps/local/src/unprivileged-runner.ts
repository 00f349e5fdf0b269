import { chownSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand, type CommandOptions, type CommandResult } from "./run-command.ts";

/** Runs PostgreSQL's programs as somebody whom PostgreSQL accepts: it refuses to run as root. */
export interface UnprivilegedRunner {
  run(command: readonly [string, ...string[]], options?: CommandOptions): Promise<CommandResult>;
  /** Makes a file or folder, with all in it, belong to whoever the programs run as. */
  own(path: string): void;
}

/** Root, and no way found to run a program as somebody else; the message says what to do. */
export class CannotLeaveRootError extends Error {
  override name = "CannotLeaveRootError";
}

/** "nobody" on every Linux; also what the kernel shows for an unmapped owner. */
const nobody = 65534;

/**
 * Chooses how to run PostgreSQL's programs. Not root: as they are. Root: in a user namespace, where
 * root's files look like nobody's, so that any folder works; where namespaces are forbidden (many
 * containers), really as nobody, provided that nobody may read the programs.
 *
 * @param program a program that the runner must be able to start (with `--version`)
 * @throws CannotLeaveRootError
 */
export async function unprivilegedRunner(program: string): Promise<UnprivilegedRunner> {
  if (process.getuid?.() !== 0) return { run: runCommand, own: () => undefined };

  const unshare = [
    "unshare",
    "--user",
    `--map-user=${nobody}`,
    `--map-group=${nobody}`,
    "--",
  ] as const;
  const namespace = await runCommand([...unshare, program, "--version"]);
  if (namespace.code === 0) {
    return {
      run: (command, options) => runCommand([...unshare, ...command], options),
      own: (path) => giveTo(path, 0),
    };
  }

  const asNobody = { uid: nobody, gid: nobody };
  const dropped = await runCommand([program, "--version"], asNobody);
  if (dropped.code === 0) {
    return {
      run: (command, options) => runCommand(command, { ...options, ...asNobody }),
      own: (path) => giveTo(path, nobody),
    };
  }

  throw new CannotLeaveRootError(
    "PostgreSQL refuses to run as root, and this root may neither make a user namespace " +
      `(${firstLine(namespace.output)}) nor run the programs as nobody (${firstLine(dropped.output)}). ` +
      "Start as an ordinary user (`su <user> -c 'npm start'`), allow user namespaces " +
      "(Docker: --security-opt seccomp=unconfined), or set DATABASE_URL to a PostgreSQL of your own.",
  );
}

function giveTo(path: string, id: number): void {
  const stats = lstatSync(path);
  // A folder that is ours already is not walked: its thousand files were made by the same owner.
  if (stats.uid === id) return;
  if (stats.isDirectory()) for (const name of readdirSync(path)) giveTo(join(path, name), id);
  chownSync(path, id, id);
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.trim() || "no reason given";
}
