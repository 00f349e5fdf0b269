import { existsSync, statSync, watch, type FSWatcher } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";

export interface SourceWatcher {
  close(): void;
}

/** Editors write a file in several steps, and a checkout writes many: one call for all of them. */
const quietMs = 150;

/**
 * Calls `onChange` when sources change: the folders of this repository and the files of TL_ENGINES
 * (each with its folder; package names are not watched).
 */
export function watchSources(
  root: string,
  engineFiles: readonly string[],
  onChange: (file: string) => void,
): SourceWatcher {
  let timer: NodeJS.Timeout | undefined;
  const changed = (file: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => onChange(file), quietMs);
  };
  const folders = ["apps", "packages", "engines", "migrations"].map((name) => join(root, name));
  const engineFolders = engineFiles
    .filter((file) => existsSync(file))
    .map((file) => dirname(resolve(file)));
  const watchers: FSWatcher[] = [];
  for (const folder of new Set([...folders, ...engineFolders])) {
    if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
    const ours = folders.includes(folder);
    watchers.push(
      watch(folder, { recursive: ours }, (_event, name) => {
        if (name !== null && isSource(name)) changed(join(folder, name));
      }),
    );
  }
  return {
    close: () => {
      clearTimeout(timer);
      for (const watcher of watchers) watcher.close();
    },
  };
}

function isSource(name: string): boolean {
  if (name.split(sep).includes("node_modules") || name.endsWith(".test.ts")) return false;
  return /\.(ts|js|mjs|json|sql)$/.test(name);
}
