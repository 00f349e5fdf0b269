import type { Reporter, TestModule } from "vitest/node";

/** Ends the output with one line that a script can read: `N passed, N failed, N skipped`. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state]++;
      // A file that did not load, or a hook that failed, has no test to show for it.
      count.failed += module.errors().length;
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
    }
    // Printed last of all. A failed global setup runs no module and shows only in the exit code.
    process.once("exit", (code) => {
      if (code !== 0 && count.failed === 0) count.failed = 1;
      console.log(
        `${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`,
      );
    });
  }
}
