import { chmodSync, chownSync, lstatSync, readdirSync } from "node:fs";
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
 * root's files look like nobody's, so that nothing changes its owner; where namespaces are forbidden
 * (many containers) or the folder is below somebody else's closed home, really as nobody.
 *
 * @param program a program that the runner must be able to start (with `--version`)
 * @param folder a folder of root's that it must be able to enter; opened for passage if need be
 * @throws CannotLeaveRootError
 */
export async function unprivilegedRunner(
  program: string,
  folder: string,
): Promise<UnprivilegedRunner> {
  if (process.getuid?.() !== 0) return { run: runCommand, own: () => undefined };

  const unshare = [
    "unshare",
    "--user",
    `--map-user=${nobody}`,
    `--map-group=${nobody}`,
    "--",
  ] as const;
  const inNamespace: UnprivilegedRunner = {
    run: (command, options) => runCommand([...unshare, ...command], options),
    own: (path) => giveTo(path, 0),
  };
  const namespaceFault = await faultOf(inNamespace, program, folder);
  if (namespaceFault === null) return inNamespace;

  const asNobody: UnprivilegedRunner = {
    run: (command, options) => runCommand(command, { ...options, uid: nobody, gid: nobody }),
    own: (path) => giveTo(path, nobody),
  };
  // Passage is not reading: the secrets in it stay readable by root alone.
  chmodSync(folder, 0o711);
  const nobodyFault = await faultOf(asNobody, program, folder);
  if (nobodyFault === null) return asNobody;

  chmodSync(folder, 0o700);
  throw new CannotLeaveRootError(
    "PostgreSQL refuses to run as root, and neither a user namespace " +
      `(${namespaceFault}) nor the user nobody (${nobodyFault}) can run it here. ` +
      "Start as an ordinary user (`su <user> -c 'npm start'`), allow user namespaces " +
      "(Docker: --security-opt seccomp=unconfined), use folders that everybody may enter, " +
      "or set DATABASE_URL to a PostgreSQL of your own.",
  );
}

/** Why this runner can't start the program or enter the folder, in the system's words; null if it can. */
async function faultOf(
  runner: UnprivilegedRunner,
  program: string,
  folder: string,
): Promise<string | null> {
  const started = await runner.run([program, "--version"]);
  if (started.code !== 0) return firstLine(started.output);
  const entered = await runner.run(["sh", "-c", 'cd -- "$0"', folder]);
  return entered.code === 0 ? null : firstLine(entered.output);
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
