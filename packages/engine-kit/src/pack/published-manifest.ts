/**
 * Run by `npm pack`, before and after: inside the workspace this package is its TypeScript source,
 * packed it is dist/, since Node strips no types under node_modules. npm knows no other way to say
 * that (`publishConfig.exports` is for other package managers).
 */
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const manifest = fileURLToPath(new URL("../../package.json", import.meta.url));
const kept = fileURLToPath(new URL("../../dist/workspace-package.json", import.meta.url));

interface Manifest {
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
  devDependencies?: unknown;
  scripts?: unknown;
  [member: string]: unknown;
}

if (process.argv[2] === "restore") {
  renameSync(kept, manifest);
} else {
  copyFileSync(manifest, kept);
  const {
    scripts: _scripts,
    devDependencies: _dev,
    ...rest
  } = JSON.parse(readFileSync(manifest, "utf8")) as Manifest;
  const published = {
    ...rest,
    exports: Object.fromEntries(
      Object.entries(rest.exports).map(([entry, source]) => [entry, builtEntry(String(source))]),
    ),
    // A range, so that a project's own zod 4 is the only one.
    dependencies: Object.fromEntries(
      Object.entries(rest.dependencies).map(([name, version]) => [name, `^${version}`]),
    ),
  };
  writeFileSync(manifest, `${JSON.stringify(published, null, 2)}\n`);
}

/** `./src/run/index.ts` becomes `./dist/run/index.js` with its types. */
function builtEntry(source: string): { types: string; default: string } {
  const stem = source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "");
  return { types: `${stem}.d.ts`, default: `${stem}.js` };
}
