// Run by `npm run build`, after tsc: puts what tsc emitted in its place under dist/.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dist = join(import.meta.dirname, "..", "..", "dist");
const emitted = join(dist, "emitted");

for (const name of readdirSync(dist)) {
  if (name !== "emitted") rmSync(join(dist, name), { recursive: true });
}
for (const name of readdirSync(join(emitted, "client", "src"))) {
  renameSync(join(emitted, "client", "src", name), join(dist, name));
}
// Of the contract the client uses only types: its declarations go along, its code doesn't.
cpSync(join(emitted, "contract", "src"), join(dist, "contract"), {
  recursive: true,
  filter: (path) => !path.endsWith(".js"),
});
rmSync(emitted, { recursive: true });

for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  if (!path.endsWith(".d.ts")) continue;
  const file = join(dist, path);
  const text = readFileSync(file, "utf8")
    .replaceAll('from "@tl-engine/contract"', 'from "./contract/index.js"')
    // tsc rewrites these in code but leaves them in declarations.
    .replaceAll(/(from "\.\.?\/[^"]+)\.ts"/g, '$1.js"');
  writeFileSync(file, text);
}
