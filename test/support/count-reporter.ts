/** Vitest prints its counts for people; this reporter writes them, as JSON, to the file QUORATE_COUNT_FILE. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env["QUORATE_COUNT_FILE"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(countsOf(modules, unhandledErrors.length)));
  }
}

/** A file that cannot be loaded, a hook that throws and an error that nobody caught count as one failure each. */
function countsOf(modules: readonly TestModule[], unhandled: number): Counts {
  let [passed, failed, skipped] = [0, unhandled, 0];
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "skipped") skipped += 1;
      else failed += 1;
    }
  }
  return { passed, failed, skipped };
}

// Vitest loads a reporter that is named by its path through the default export.
export default CountReporter;
