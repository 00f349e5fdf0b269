// Checks who imports whom. Run by `npm run verify`; by hand: npx node scripts/check-arrows.ts
import { existsSync, globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";

/** What one workspace may lean on, by folder; `types` marks an arrow that only `import type` may use. */
const arrows: Record<string, Record<string, "all" | "types">> = {
  "packages/contract": {},
  "packages/protobuf": {},
  "packages/outbound": { "packages/protobuf": "all" },
  "packages/client": { "packages/contract": "all" },
  "packages/engine-kit": { "packages/outbound": "types" },
  engines: { "packages/engine-kit": "all", "packages/protobuf": "all" },
  "packages/shared": { "packages/contract": "all", "packages/outbound": "types" },
  "packages/cli": {
    "packages/client": "all",
    "packages/contract": "all",
    "packages/shared": "all",
  },
  "apps/api": { "packages/contract": "all", "packages/shared": "all" },
  "apps/worker": {
    "packages/contract": "all",
    "packages/shared": "all",
    "packages/engine-kit": "all",
    "packages/outbound": "all",
    engines: "all",
  },
  "apps/local": { "packages/shared": "all" },
  e2e: {
    "packages/client": "all",
    "packages/contract": "all",
    "packages/shared": "all",
    "packages/engine-kit": "all",
    "packages/outbound": "all",
    engines: "all",
    "apps/local": "all",
    "apps/api": "all",
    "apps/worker": "all",
  },
};

/** Where alone an arrow may start: the worker's own thread never runs engine code, its hosts do. */
const onlyFrom: Record<string, Record<string, string>> = {
  "apps/worker": { engines: "apps/worker/src/host/" },
};

/** What tests may use besides: they bring up servers, and look at results from outside. */
const forTests = [
  "packages/contract",
  "packages/client",
  "packages/shared",
  "packages/engine-kit",
  "apps/local",
];

/** Folders that belong to no workspace, and may be imported by tests alone. */
const rootFolders = ["test", "scripts"];

/** Dependencies from outside that a workspace may have, where the list is short on purpose. */
const onlyThese: Record<string, readonly string[]> = { "packages/contract": ["zod"] };

interface Import {
  from: string;
  typeOnly: boolean;
  line: number;
}

interface Workspace {
  folder: string;
  name: string;
  declared: Set<string>;
}

/**
 * Every import in the repository that breaks a rule, as one sentence each with file and line.
 *
 * @param root the repository's folder
 */
export function checkArrows(root: string): string[] {
  const workspaces = Object.keys(arrows)
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => readWorkspace(root, folder));
  const unknown = globSync("{apps,packages}/*/package.json", { cwd: root })
    .map((file) => dirname(file).split(sep).join("/"))
    .filter((folder) => arrows[folder] === undefined)
    .map(
      (folder) =>
        `${folder}/package.json:1: ${folder} has no arrows yet; say in scripts/check-arrows.ts what it may lean on.`,
    );
  const broken = workspaces.flatMap((workspace) =>
    globSync(`${workspace.folder}/**/*.{ts,tsx}`, {
      cwd: root,
      exclude: (name) => name === "node_modules" || name === "dist",
    })
      .sort()
      .flatMap((file) => judgeFile(root, workspaces, workspace, file)),
  );
  return [...unknown, ...broken];
}

function judgeFile(root: string, all: Workspace[], own: Workspace, file: string): string[] {
  const imports = importsOf(readFileSync(join(root, file), "utf8"));
  // A suite that several tests share imports vitest, whatever its name; peers that tests call are in a folder of theirs.
  const isTest =
    file.endsWith(".test.ts") ||
    file.includes("/test-support/") ||
    own.folder === "e2e" ||
    imports.some((found) => found.from === "vitest");
  return imports.flatMap((found) => {
    const broken = judge(root, all, own, file, isTest, found);
    return broken === null ? [] : [`${file}:${found.line}: ${broken}`];
  });
}

function judge(
  root: string,
  all: Workspace[],
  own: Workspace,
  file: string,
  isTest: boolean,
  found: Import,
): string | null {
  if (found.from.startsWith(".")) {
    const target = relative(root, resolve(root, dirname(file), found.from))
      .split(sep)
      .join("/");
    if (target.startsWith(`${own.folder}/`)) return null;
    if (isTest && rootFolders.some((folder) => target.startsWith(`${folder}/`))) return null;
    return `"${found.from}" leaves ${own.folder}; import another package by its name.`;
  }
  const name = packageName(found.from);
  if (isBuiltin(name)) return null;
  const other = all.find((workspace) => workspace.name === name);
  if (other === own) return null;
  if (other !== undefined) return judgeArrow(own, other, file, isTest, found);

  const allowed = onlyThese[own.folder];
  if (allowed !== undefined && !isTest && !allowed.includes(name)) {
    return `${own.folder} may use ${allowed.join(", ")} and nothing else, not "${name}".`;
  }
  return own.declared.has(name) || isTest
    ? null
    : `"${name}" is not among the dependencies of ${own.folder}/package.json.`;
}

function judgeArrow(
  own: Workspace,
  other: Workspace,
  file: string,
  isTest: boolean,
  found: Import,
): string | null {
  const arrow = arrows[own.folder]?.[other.folder];
  if (isTest && (arrow !== undefined || forTests.includes(other.folder))) return null;
  if (arrow === undefined) {
    const may = Object.keys(arrows[own.folder] ?? {});
    return `${own.folder} may not lean on ${other.folder} (only on ${may.join(", ") || "nothing of ours"}).`;
  }
  const start = onlyFrom[own.folder]?.[other.folder];
  if (start !== undefined && !file.startsWith(start)) {
    return `Only ${start} may lean on ${other.folder}.`;
  }
  if (arrow === "types" && !found.typeOnly) {
    return `${own.folder} may use only types of ${other.folder}: write \`import type { … }\`, which loads nothing.`;
  }
  return own.declared.has(other.name)
    ? null
    : `"${other.name}" is not among the dependencies of ${own.folder}/package.json.`;
}

const statement =
  /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s+)?["']([^"'\n]+)["']/gm;
const dynamic = /\bimport\(\s*["']([^"'\n]+)["']/g;

/** All that a module imports, statically or not. Comments are blanked out, so that examples don't count. */
export function importsOf(source: string): Import[] {
  const code = source.replace(/^[ \t]*(?:\/\*[\s\S]*?\*\/|\/\/.*)/gm, (comment) =>
    comment.replace(/[^\n]/g, " "),
  );
  const lineOf = (index: number): number => code.slice(0, index).split("\n").length;
  const found: Import[] = [];
  for (const match of code.matchAll(statement)) {
    found.push({
      from: match[2] ?? "",
      typeOnly: match[1] !== undefined,
      line: lineOf(match.index),
    });
  }
  for (const match of code.matchAll(dynamic)) {
    found.push({ from: match[1] ?? "", typeOnly: false, line: lineOf(match.index) });
  }
  return found;
}

function readWorkspace(root: string, folder: string): Workspace {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
    name: string;
    dependencies?: object;
    optionalDependencies?: object;
    peerDependencies?: object;
  };
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  return {
    folder,
    name: manifest.name,
    declared: new Set(
      Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }),
    ),
  };
}

/** `@scope/name/sub/path` → `@scope/name` */
function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isBuiltin(name: string): boolean {
  return name.startsWith("node:") || builtinModules.includes(name);
}

if (import.meta.main) {
  const broken = checkArrows(join(import.meta.dirname, ".."));
  if (broken.length > 0) {
    console.error(
      `${broken.join("\n")}\n\n${broken.length} imports go against the arrows (scripts/check-arrows.ts).`,
    );
    process.exitCode = 1;
  }
}
