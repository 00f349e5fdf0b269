import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository } from "./deployment.ts";

const run = promisify(execFile);

/** What somebody has who writes engines outside this repository. */
export interface EngineProject {
  readonly folder: string;
  /** For `TL_ENGINES`, from the project's folder: an installed package, and a file. */
  readonly engines: readonly [packageName: string, file: string];
}

/**
 * Packs engine-kit and a package of engines, installs both in a project of their own, and adds an engine in a file.
 * Needs no network: zod is taken from the repository.
 */
export async function makeEngineProject(folder: string): Promise<EngineProject> {
  const kit = await pack(copyOfKit(join(folder, "kit")));
  const acme = join(folder, "acme-engines");
  mkdirSync(acme, { recursive: true });
  writeJson(join(acme, "package.json"), {
    name: "acme-engines",
    version: "1.0.0",
    type: "module",
    exports: "./engines.js",
    peerDependencies: { "@tl-engine/engine-kit": "*" },
  });
  writeFileSync(
    join(acme, "engines.js"),
    `import { defineEngine, z } from "@tl-engine/engine-kit";
export default [
  defineEngine({
    id: "acme.shout",
    version: 1,
    input: z.object({ text: z.string() }),
    output: z.object({ text: z.string() }),
    run: ({ text }) => ({ text: text.toUpperCase() }),
  }),
];
`,
  );
  const engines = await pack(acme);

  const project = join(folder, "project");
  mkdirSync(project);
  writeJson(join(project, "package.json"), {
    name: "project",
    private: true,
    dependencies: {
      "@tl-engine/engine-kit": `file:${kit}`,
      "acme-engines": `file:${engines}`,
      zod: `file:${join(repository, "node_modules", "zod")}`,
    },
  });
  await npm(project, ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts"]);
  // The file stands where no package is installed at all: the kit is offered to it.
  mkdirSync(join(folder, "loose"));
  writeFileSync(
    join(folder, "loose", "area.ts"),
    `import { defineEngine, z } from "@tl-engine/engine-kit";

const side: z.ZodNumber = z.number().min(0);

export default defineEngine({
  id: "area",
  version: 2,
  input: z.object({ width: side, height: side }),
  output: z.object({ area: z.number() }),
  run: ({ width, height }) => ({ area: width * height }),
});
`,
  );
  return { folder: project, engines: ["acme-engines", "../loose/area.ts"] };
}

/** A copy of the package with what its build needs: \`npm pack\` rewrites the manifest while it works. */
function copyOfKit(folder: string): string {
  const copy = join(folder, "packages", "engine-kit");
  cpSync(join(repository, "packages", "engine-kit"), copy, {
    recursive: true,
    filter: (source) => !/[\\/](dist|node_modules)([\\/]|$)/.test(source.slice(repository.length)),
  });
  cpSync(join(repository, "tsconfig.json"), join(folder, "tsconfig.json"));
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  return copy;
}

/** @returns the tarball's path */
async function pack(folder: string): Promise<string> {
  const packed = JSON.parse(await npm(folder, ["pack", "--json"])) as unknown;
  const [{ filename }] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as [
    { filename: string },
  ];
  return join(folder, filename);
}

async function npm(cwd: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run("npm", [...args, "--loglevel=error"], { cwd, encoding: "utf8" });
  // What a script says comes before the JSON.
  const start = stdout.search(/^[[{]/m);
  return start === -1 ? stdout : stdout.slice(start);
}

function writeJson(file: string, value: object): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
