#!/usr/bin/env node
// Plain JavaScript, so that a Node that can't run TypeScript says so in one line instead of a stack.
// oxlint-disable typescript/no-unsafe-call, typescript/no-unsafe-member-access -- no tsconfig knows plain JavaScript
const major = Number(process.versions.node.split(".")[0]);
if (major >= 24) await import("../src/main.ts");
else {
  console.error(
    `tl: Node 24 or newer is needed, this is ${process.version}. In the repository, \`npm run -s tl -- …\` brings its own.`,
  );
  process.exitCode = 2;
}
