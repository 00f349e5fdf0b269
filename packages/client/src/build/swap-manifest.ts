// Run by `npm pack`. `pack`: writes the package.json that outsiders get, whose exports are dist/,
// since Node strips no types under node_modules. `restore`: brings the repository's own back.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "..", "..");
const manifest = join(folder, "package.json");
const kept = join(folder, "package.json.kept");

interface Manifest {
  version: string;
  dependencies?: Record<string, string>;
}
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Manifest;

// Also before packing: an earlier one may have been killed halfway.
if (existsSync(kept)) renameSync(kept, manifest);
if (process.argv[2] === "pack") {
  const { version } = read(manifest);
  const zod = read(join(folder, "..", "contract", "package.json")).dependencies?.["zod"];
  const packed = {
    name: "@tl-engine/client",
    version,
    description: "Typed client of tl-engine: submit work over HTTP, wait for it, read the result.",
    license: "UNLICENSED",
    type: "module",
    engines: { node: ">=20" },
    sideEffects: false,
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
    files: ["dist"],
    // For the declarations alone; no code of the client imports it.
    dependencies: { zod: `^${zod}` },
  };
  renameSync(manifest, kept);
  writeFileSync(manifest, `${JSON.stringify(packed, null, 2)}\n`);
}
