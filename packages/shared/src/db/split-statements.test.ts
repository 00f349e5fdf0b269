import { expect, test } from "vitest";
import { splitStatements } from "./split-statements.ts";

test.for<[script: string, statements: string[]]>([
  ["", []],
  [" ; ;\n", []],
  ["SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]],
  ["-- a; b\nSELECT 1; -- c;\n-- d", ["SELECT 1"]],
  ["/* a; /* b; */ c; */ SELECT 1; SELECT /* ; */ 2;", ["SELECT 1", "SELECT /* ; */ 2"]],
  [
    "SELECT ';', 'it''s;', E'\\';', \"a;\"\"b\"; SELECT 2",
    ["SELECT ';', 'it''s;', E'\\';', \"a;\"\"b\"", "SELECT 2"],
  ],
  ["DO $$ BEGIN; '$x$' END $$; DO $a$ $$; $a$;", ["DO $$ BEGIN; '$x$' END $$", "DO $a$ $$; $a$"]],
  [
    "PREPARE p AS SELECT $1; SELECT a$b$ ; SELECT 2",
    ["PREPARE p AS SELECT $1", "SELECT a$b$", "SELECT 2"],
  ],
  ["SELECT name'; text'; SELECT 2", ["SELECT name'; text'", "SELECT 2"]],
])("%j", ([script, statements]) => {
  expect(splitStatements(script)).toEqual(statements);
});
