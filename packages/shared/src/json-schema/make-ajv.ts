import { Ajv2020, type Options } from "ajv/dist/2020.js";
import addFormats, { type FormatName } from "ajv-formats";

/**
 * The formats that values are held to: JSON Schema's own (2020-12) that are judged in time that grows with the text
 * alone. Among the plugin's others is `url`, whose pattern takes a minute for 256 KiB.
 */
export const checkedFormats: readonly FormatName[] = [
  "date",
  "time",
  "date-time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uri-reference",
  "uri-template",
  "uuid",
  "json-pointer",
  "relative-json-pointer",
  "regex",
];

/** Schemas come from published engines: as trusted as code, all the same without `$data`. */
const options: Options = { strict: false, $data: false, logger: false, ownProperties: true };

/** Makes validators of JSON Schema 2020-12. Nothing is ever fetched. */
export function makeAjv(more: Options): Ajv2020 {
  const ajv = new Ajv2020({ ...options, ...more });
  // The package's types describe its CommonJS shape, in which the plugin is the module itself.
  const add = addFormats as unknown as (ajv: Ajv2020, names: readonly FormatName[]) => void;
  add(ajv, checkedFormats);
  return ajv;
}
