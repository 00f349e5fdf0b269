import { migrate } from "@tl-engine/shared/db/migrate.ts";

// `npm run migrate` with a folder of the case's own: `migrate-folder.ts <file address of the folder>`.
const [, , folder] = process.argv;
const say = (msg: string, fields: object = {}): void =>
  console.log(JSON.stringify({ msg, ...fields }));
say("started");
const applied = await migrate(process.env["DATABASE_URL"] ?? "", {
  folder: new URL(folder ?? ""),
  onWait: (what) => say("waits", { what }),
});
say("migrated", { applied });
