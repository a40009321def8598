/** Runs named steps one after the other and says what came of each. */
export interface Step {
  readonly name: string;
  /** Why the step cannot be run here. */
  readonly skip?: string | undefined;
  /** Rejects with what is wrong. Resolves with a figure worth printing, or with nothing. */
  readonly run: () => Promise<string | undefined>;
}

export async function runSteps(steps: readonly Step[]): Promise<number> {
  let failed = 0;
  let skipped = 0;
  for (const { name, run, skip } of steps) {
    if (skip !== undefined) {
      skipped += 1;
      console.log(`  skipped ${name}: ${skip}`);
      continue;
    }
    try {
      const figure = await run();
      console.log(`  ok      ${name}${figure === undefined ? "" : `: ${figure}`}`);
    } catch (error) {
      failed += 1;
      console.log(
        `  FAILED  ${name}\n${String(error instanceof Error ? error.message : error).replaceAll(/^/gm, "          ")}`,
      );
    }
  }
  const passed = steps.length - failed - skipped;
  console.log(`${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

export function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}
