/** Runs named steps one after the other and says what came of each. */
export interface Step {
  readonly name: string;
  /** Rejects with what is wrong. Resolves with a figure worth printing, or with nothing. */
  readonly run: () => Promise<string | undefined>;
}

export async function runSteps(steps: readonly Step[]): Promise<number> {
  let failed = 0;
  for (const { name, run } of steps) {
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
  console.log(`${steps.length - failed} passed, ${failed} failed`);
  return failed === 0 && steps.length > 0 ? 0 : 1;
}

export function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what);
}
