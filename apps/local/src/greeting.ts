import { join, relative } from "node:path";

export interface GreetingFacts {
  url: string;
  /** Folder with the `auth-header` file. */
  dataDir: string;
  /** What delivers jobs, as "Redis" or "PostgreSQL". */
  queue: string;
  /** What holds the record, as "embedded PostgreSQL in .data". */
  database: string;
  /** Whether a worker offers engines yet. */
  workerReady: boolean;
}

/** What `npm start` prints once the API answers. */
export function greeting({ url, dataDir, queue, database, workerReady }: GreetingFacts): string {
  const header = shortPath(join(dataDir, "auth-header"));
  const worker = workerReady
    ? ""
    : "\n  No worker is ready yet; see its messages above. It is started again until it is.";
  return `
  tl-engine is ready at ${url}
  Record: ${database}. Queue: ${queue}.${worker}

  Try it:

    curl -sS -H @${header} -H 'Content-Type: application/json' -H 'Prefer: wait=20' \\
      ${url}/api/v1/engines/echo/execute -d '{"input":{"message":"hello"}}'

  API documentation: ${url}/docs
  Stop with Ctrl-C.
`;
}

/** As typed from the working directory, quoted for a shell where needed. */
function shortPath(path: string): string {
  const near = relative(process.cwd(), path);
  const shown = near.startsWith("..") ? path : near;
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", String.raw`'\''`)}'`;
}
