import { splitStatements } from "../packages/shared/src/db/split-statements.ts";

/** One file of `migrations/`. */
export interface MigrationText {
  /** `0004_what_it_does.sql` or `0005_what_it_does.concurrent.sql`. */
  file: string;
  text: string;
}

/** Says that a file takes something away, and why no process of the previous build misses it any more. */
const contract = /^[ \t]*--[ \t]*contract:[ \t]*\S+/m;

/** A default that is another for each row: Postgres writes the whole table anew. */
const volatileDefault =
  /\bDEFAULT\b.*\b(RANDOM|GEN_RANDOM_UUID|UUIDV4|UUIDV7|CLOCK_TIMESTAMP|STATEMENT_TIMESTAMP|TIMEOFDAY|NEXTVAL)\s*\(/;

/** What one `ALTER TABLE` may not do to a table that holds rows, with the way that is open. */
const refusedActions: readonly [action: RegExp, why: string][] = [
  [/^DROP (?!NOT NULL)/, "the previous build may use what is dropped"],
  [/^RENAME\b/, "the previous build knows the old name; add the new one beside it"],
  [
    /^ALTER (COLUMN )?\S+ (SET DATA )?TYPE\b/,
    "the whole table is written anew under a lock; add a column beside it",
  ],
  [
    /^ALTER (COLUMN )?\S+ SET NOT NULL/,
    "the previous build may write null, and the whole table is read under a lock",
  ],
  [/^ALTER (COLUMN )?\S+ DROP DEFAULT/, "the previous build may lean on the default"],
  [
    /^ADD (?!CONSTRAINT|CHECK|FOREIGN|PRIMARY|UNIQUE|EXCLUDE)(?!.*\bDEFAULT\b).*\bNOT NULL/,
    "the previous build does not write the column; give it a default",
  ],
  [volatileDefault, "a default that differs from row to row writes the whole table anew"],
  [/^ADD .*\b(GENERATED|SERIAL|BIGSERIAL|IDENTITY)\b/, "it writes the whole table anew"],
  [
    /^ADD (COLUMN )?(?!CONSTRAINT).*\b(PRIMARY KEY|UNIQUE|REFERENCES|CHECK)\b/,
    "it reads the whole table under a lock; add the constraint by its name, NOT VALID",
  ],
  [
    /^ADD (CONSTRAINT|CHECK|FOREIGN|PRIMARY|UNIQUE|EXCLUDE)(?!.*\b(NOT VALID|USING INDEX)\b)/,
    "it reads the whole table under a lock; add it NOT VALID, and validate it in a .concurrent.sql",
  ],
  [
    /^VALIDATE\b/,
    "it reads the whole table with the file's locks held; do it in a .concurrent.sql",
  ],
  [
    /^SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)/,
    "the whole table is written anew under a lock",
  ],
  [/^DISABLE\b/, "counters and guards would miss what is written meanwhile"],
];

/** What a file that runs statement by statement is for; all of it bears to be run again. */
const concurrentStatements: readonly RegExp[] = [
  /^CREATE (UNIQUE )?INDEX CONCURRENTLY (?!ON )/,
  /^DROP INDEX CONCURRENTLY IF EXISTS /,
  /^ALTER TABLE (ONLY )?\S+ VALIDATE CONSTRAINT \S+$/,
  /^(ANALYZE|VACUUM(?! FULL))\b/,
  /^DO\b/,
];

/**
 * What in the migrations would stop submits, or break the previous build that still runs on the new schema: one sentence
 * each. A file with a line `-- contract: <why nobody misses it>` may take away; it still may not stop submits.
 */
export function judgeMigrations(migrations: readonly MigrationText[]): string[] {
  const tables = new Set<string>();
  return migrations.flatMap(({ file, text }) => {
    const own = new Set<string>();
    const contracts = contract.test(text);
    const judge = file.endsWith(".concurrent.sql") ? judgeConcurrent : judgePlain;
    const found = splitStatements(text)
      .map(normalise)
      .flatMap((statement) => {
        const made = /^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\S+)/.exec(statement)?.[1];
        if (made !== undefined && !tables.has(made)) own.add(made);
        const exists = (table: string): boolean => !own.has(table);
        return judge(statement, exists, contracts).map(
          (why) => `migrations/${file}: ${statement.slice(0, 80)}: ${why}.`,
        );
      });
    for (const table of own) tables.add(table);
    return found;
  });
}

type Judge = (
  statement: string,
  exists: (table: string) => boolean,
  contracts: boolean,
) => string[];

const judgePlain: Judge = (statement, exists, contracts) => {
  if (/^(BEGIN|START|COMMIT|END|ROLLBACK|SET|RESET)\b/.test(statement))
    return ["each file runs in a transaction of its own already"];
  if (/\bBEGIN ATOMIC\b/.test(statement)) return ["write the body between dollar quotes"];
  if (/^(CREATE|DROP|REINDEX)\b.*\bCONCURRENTLY\b/.test(statement))
    return ["it runs outside transactions; name the file .concurrent.sql"];
  if (/^(LOCK|CLUSTER|VACUUM|REINDEX)\b/.test(statement)) return ["it stops submits"];
  const index = /^CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?(\S+)/.exec(statement)?.[1];
  if (index !== undefined && exists(index))
    return [
      "it stops all writes while it reads the table; CREATE INDEX CONCURRENTLY in a .concurrent.sql",
    ];
  if (contracts) return [];
  if (/^(DROP|TRUNCATE)\b/.test(statement)) return ["the previous build may use what is dropped"];
  if (/^ALTER (?!TABLE)\S+ .*\bRENAME\b/.test(statement))
    return ["the previous build knows the old name"];
  const changed = /^(?:UPDATE|DELETE FROM) (?:ONLY )?(\S+)/.exec(statement)?.[1];
  if (changed !== undefined && exists(changed))
    return ["it holds all rows that it changes until the end; do it in small batches, by the code"];
  if (/^DO\b/.test(statement)) return ["what it does cannot be judged; write it out"];
  const altered = /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\S+) (.*)$/.exec(statement);
  if (altered === null || !exists(altered[1] ?? "")) return [];
  return actionsOf(altered[2] ?? "").flatMap((action) => {
    const refused = refusedActions.find(([refuse]) => refuse.test(action));
    return refused === undefined ? [] : [refused[1]];
  });
};

const judgeConcurrent: Judge = (statement, _exists, contracts) => {
  if (!concurrentStatements.some((allowed) => allowed.test(statement)))
    return ["not in a .concurrent.sql, where each statement must bear to be run again"];
  if (statement.startsWith("DROP") && !contracts) return ["the previous build may need the index"];
  return [];
};

/** Upper case, one space between words, without comments, names' quotes and texts. */
function normalise(statement: string): string {
  return statement
    .replace(/\$(\w*)\$.*?\$\1\$/gs, "''")
    .replace(/[eE]?'(?:[^']|'')*'/g, "''")
    .replace(/--[^\n]*|\/\*.*?\*\//gs, " ")
    .replaceAll('"', "")
    .replace(/\s+/g, " ")
    .replace(/ ?([(),]) ?/g, (_, mark: string) =>
      mark === "(" ? " (" : mark === ")" ? ") " : ", ",
    )
    .trim()
    .toUpperCase();
}

/** The parts between the commas that stand outside brackets. */
function actionsOf(text: string): string[] {
  const actions: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "(") depth++;
    if (text[at] === ")") depth--;
    if (text[at] === "," && depth === 0) {
      actions.push(text.slice(from, at));
      from = at + 1;
    }
  }
  actions.push(text.slice(from));
  return actions.map((action) => action.trim());
}
