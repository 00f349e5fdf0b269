// Writes docs/openapi.json from the API's schemas; with --check says whether the file is up to date.
// Run by `npm run verify`; by hand after a change of the contract: npx node scripts/openapi.ts
import { readFileSync, writeFileSync } from "node:fs";
import { endpoints } from "../apps/api/src/endpoints.ts";
import { openapiText } from "../apps/api/src/openapi.ts";

const file = new URL("../docs/openapi.json", import.meta.url);
const text = openapiText(endpoints);

if (process.argv.includes("--check")) {
  const written = readFileSync(file, "utf8");
  if (written !== text) {
    console.error("docs/openapi.json is not what the API serves; run: npx node scripts/openapi.ts");
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
