import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeRunFolder } from "../../test/left-behind.ts";
import { repository } from "./deployment.ts";

/** What a process runs from. Tests and documents stay behind. */
const parts = [
  "apps",
  "packages",
  "engines",
  "migrations",
  "package.json",
  "e2e/engines",
  "e2e/package.json",
];
/** The scope of the workspaces: a build resolves those to its own folders. */
const ownScope = "@tl-engine";

export interface BuildOptions {
  /** Files that this build has besides, or instead, by their path from its root. */
  changes: Readonly<Record<string, string>>;
  /** The source tree that it is made of; this one where it is left out. */
  from?: string;
}

/** Another build of tl-engine, in a folder of its own, as if another release were deployed. */
export interface Build {
  /** The absolute path of one of its files. */
  path(file: string): string;
}

/**
 * Copies the source tree and changes it. What comes from the registry is shared: the dependencies have to be the same.
 * The folder goes with this process, after all that may run from it.
 */
export function makeBuild({ changes, from = repository }: BuildOptions): Build {
  const folder = makeRunFolder();
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = (file: string): string => join(folder, file);
  for (const part of parts) {
    cpSync(join(from, part), path(part), {
      recursive: true,
      filter: (file) => basename(file) !== "node_modules" && !file.endsWith(".test.ts"),
    });
  }
  for (const [file, text] of Object.entries(changes)) {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), text);
  }
  linkModules(folder);
  return { path };
}

/** Links each package where this tree has it, and the workspaces to the build's own. */
function linkModules(folder: string): void {
  const source = join(repository, "node_modules");
  const target = join(folder, "node_modules");
  mkdirSync(join(target, ownScope), { recursive: true });
  for (const name of readdirSync(source)) {
    if (name !== ownScope && !name.startsWith("."))
      symlinkSync(join(source, name), join(target, name));
  }
  const workspaces = [
    "engines",
    "e2e",
    ...["apps", "packages"].flatMap((of) =>
      readdirSync(join(folder, of)).map((name) => `${of}/${name}`),
    ),
  ];
  for (const workspace of workspaces) {
    symlinkSync(join(folder, workspace), join(target, ownScope, basename(workspace)));
  }
}
