import { readdir, readFile } from "node:fs/promises";
import { splitStatements } from "./split-statements.ts";

/** One file of the folder `migrations`. */
export interface MigrationFile {
  /** The file's name without `.sql`; what is recorded in the table `kysely_migration`. */
  name: string;
  /**
   * `NNNN_name.concurrent.sql`: runs statement by statement outside a transaction, as `CREATE INDEX CONCURRENTLY` demands.
   * Each statement must bear to be run again, because a crash in the middle starts the file anew.
   */
  concurrent: boolean;
  statements: string[];
}

/** The migrations of this build, in `migrations/NNNN_what_it_does.sql`. */
export const migrationsFolder = new URL("../../../../migrations/", import.meta.url);

/** Names of all migrations in a folder, in the order in which they run. */
export async function migrationNames(folder: URL): Promise<string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => /^\d{4}_.*\.sql$/.test(file))
    .map((file) => file.slice(0, -4))
    .sort();
}

/** Reads one migration. */
export async function readMigration(folder: URL, name: string): Promise<MigrationFile> {
  const text = await readFile(new URL(`${name}.sql`, folder), "utf8");
  return { name, concurrent: name.endsWith(".concurrent"), statements: splitStatements(text) };
}
