import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{apps,packages}/*/src/**/*.test.ts", "{engines,e2e,scripts,test}/**/*.test.ts"],
    globalSetup: ["test/global-setup.ts"],
    reporters: ["default", "./test/tally.ts"],
    // One process serves many files: three times as fast, and nobody keeps global state here.
    isolate: false,
    // Two busy cores make a slow machine; a test that hangs should still be named within a minute.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Its default of a second is too short for the same reason.
    expect: { poll: { timeout: 20_000 } },
    // The default of the terminal's clock; a test that reads local time would differ elsewhere.
    env: { TZ: "UTC" },
  },
});
