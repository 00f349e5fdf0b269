// Checks that migrations only add, stop no submits, and that one that has landed never changes. Run by `npm run verify`;
// by hand: npx node scripts/check-migrations.ts [--write], which adds new files to the list of those that have landed.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { judgeMigrations, type MigrationText } from "./migration-rules.ts";

/** In `sha256sum`'s format: `sha256sum -c migrations/landed.sha256` from inside the folder says the same. */
const listName = "landed.sha256";

/**
 * How the files differ from the list of those that have landed: one sentence each.
 *
 * @param list lines of `<sha256>  <file>`
 */
export function compareWithLanded(files: readonly MigrationText[], list: string): string[] {
  const landed = readList(list);
  const there = new Map(files.map(({ file, text }) => [file, hashOf(text)]));
  const changed = [...landed].filter(([file, hash]) => there.get(file) !== hash);
  return [
    ...changed.map(
      ([file]) =>
        `migrations/${file}: databases have run what the list ${listName} knows; take the change back and write a new migration. (Where it never left this machine: delete its line and run with --write.)`,
    ),
    ...[...there.keys()]
      .filter((file) => !landed.has(file))
      .map(
        (file) =>
          `migrations/${file}: not in ${listName}; npx node scripts/check-migrations.ts --write`,
      ),
  ];
}

/** The list with new files added; what it has stays. */
export function addToLanded(files: readonly MigrationText[], list: string): string {
  const landed = readList(list);
  for (const { file, text } of files) if (!landed.has(file)) landed.set(file, hashOf(text));
  return [...landed]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, hash]) => `${hash}  ${file}\n`)
    .join("");
}

function readList(list: string): Map<string, string> {
  return new Map(
    list
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, "..", "migrations");
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".sql"))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(folder, file), "utf8") }));
  const listFile = join(folder, listName);
  if (process.argv.includes("--write"))
    writeFileSync(listFile, addToLanded(files, readFileSync(listFile, "utf8")));
  const numbers = files.map(({ file }) => file.slice(0, 4));
  const broken = [
    ...judgeMigrations(files),
    ...compareWithLanded(files, readFileSync(listFile, "utf8")),
    ...files
      .filter(
        ({ file }, n) =>
          !/^\d{4}_[a-z0-9_]+(\.concurrent)?\.sql$/.test(file) ||
          numbers.indexOf(file.slice(0, 4)) !== n,
      )
      .map(
        ({ file }) =>
          `migrations/${file}: the name is NNNN_what_it_does.sql or NNNN_what_it_does.concurrent.sql, with a number of its own.`,
      ),
  ];
  if (broken.length > 0) {
    console.error(broken.join("\n"));
    process.exitCode = 1;
  }
}
