import { expect, test } from "vitest";
import { addToLanded, compareWithLanded } from "./check-migrations.ts";
import { judgeMigrations } from "./migration-rules.ts";

const first = {
  file: "0001_a.sql",
  text: "CREATE TABLE a (b integer); CREATE INDEX a_b ON a (b);",
};
const judge = (text: string, file = "0002_b.sql"): string[] =>
  judgeMigrations([first, { file, text }]);

test.for([
  "ALTER TABLE a ADD COLUMN c integer",
  "ALTER TABLE a ADD c text NOT NULL DEFAULT 'x, y', ADD COLUMN d numeric(3, 1), ALTER COLUMN b DROP NOT NULL",
  "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0) NOT VALID",
  "ALTER TABLE a SET (fillfactor = 50)",
  "CREATE TABLE c (d integer NOT NULL); CREATE INDEX c_d ON c (d); ALTER TABLE c ALTER COLUMN d TYPE bigint",
  "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE a; END $$",
  "CREATE TRIGGER t AFTER INSERT ON a FOR EACH STATEMENT EXECUTE FUNCTION f()",
  "INSERT INTO a VALUES (1)",
  "-- contract: nobody has read it since 0.1\nALTER TABLE a DROP COLUMN b",
  "COMMENT ON TABLE a IS 'DROP TABLE a'; -- DROP TABLE a",
])("a plain file may say %j", (text) => {
  expect(judge(text)).toEqual([]);
});

test.for<[text: string, why: RegExp]>([
  ["DROP TABLE a", /may use what is dropped/],
  ["ALTER TABLE ONLY a ADD COLUMN c integer, DROP COLUMN b", /may use what is dropped/],
  ['alter table "a" rename column b to c', /old name/],
  ["ALTER INDEX a_b RENAME TO c", /old name/],
  ["ALTER TABLE a ALTER b TYPE bigint", /written anew/],
  ["ALTER TABLE a ALTER COLUMN b SET NOT NULL", /may write null/],
  ["ALTER TABLE a ALTER COLUMN b DROP DEFAULT", /lean on the default/],
  ["ALTER TABLE a ADD COLUMN c integer NOT NULL", /give it a default/],
  ["ALTER TABLE a ADD COLUMN c uuid DEFAULT gen_random_uuid()", /writes the whole table/],
  ["ALTER TABLE a ADD COLUMN c bigint GENERATED ALWAYS AS IDENTITY", /writes the whole table/],
  ["ALTER TABLE a ADD COLUMN c integer CHECK (c > 0)", /NOT VALID/],
  ["ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)", /NOT VALID/],
  ["ALTER TABLE a VALIDATE CONSTRAINT c", /\.concurrent\.sql/],
  ["ALTER TABLE a SET UNLOGGED", /written anew/],
  ["ALTER TABLE a DISABLE TRIGGER ALL", /counters/],
  ["CREATE UNIQUE INDEX c ON a(b)", /CREATE INDEX CONCURRENTLY/],
  ["CREATE INDEX CONCURRENTLY c ON a (b)", /\.concurrent\.sql/],
  ["UPDATE a SET b = 1", /small batches/],
  ["DELETE FROM a", /small batches/],
  ["DO $$ BEGIN END $$", /cannot be judged/],
  ["BEGIN; SELECT 1; COMMIT", /transaction of its own/],
  ["-- contract: because\nCREATE INDEX c ON a (b)", /stops all writes/],
  ["-- contract:\nDROP TABLE a", /may use what is dropped/],
])("a plain file may not say %j", ([text, why]) => {
  expect(judge(text)).toContainEqual(expect.stringMatching(why));
});

test.for<[text: string, refused: number]>([
  ["CREATE INDEX CONCURRENTLY c ON a (b); ALTER TABLE a VALIDATE CONSTRAINT c; ANALYZE a", 0],
  ["-- contract: another index does it\nDROP INDEX CONCURRENTLY IF EXISTS a_b", 0],
  ["DROP INDEX CONCURRENTLY IF EXISTS a_b", 1],
  ["CREATE INDEX CONCURRENTLY ON a (b); CREATE INDEX c ON a (b); VACUUM FULL a", 3],
  ["ALTER TABLE a ADD COLUMN c integer; UPDATE a SET b = 1", 2],
])("a concurrent file that says %j is refused %i times", ([text, refused]) => {
  expect(judge(text, "0002_b.concurrent.sql")).toHaveLength(refused);
});

test("a file that has landed may not change, go or come unnoticed", () => {
  const second = { file: "0002_b.sql", text: "SELECT 1;" };
  const list = addToLanded([first, second], "");
  expect(list).toMatch(/^[0-9a-f]{64} {2}0001_a\.sql\n[0-9a-f]{64} {2}0002_b\.sql\n$/);
  expect(compareWithLanded([first, second], list)).toEqual([]);
  const changed = { file: "0002_b.sql", text: "SELECT 2;" };
  const found = compareWithLanded([changed, { file: "0003_c.sql", text: "" }], list);
  expect(found).toHaveLength(3);
  expect(found.map((sentence) => sentence.slice(0, 22))).toEqual([
    "migrations/0001_a.sql:",
    "migrations/0002_b.sql:",
    "migrations/0003_c.sql:",
  ]);
  expect(addToLanded([first, changed], list)).toBe(list);
});
