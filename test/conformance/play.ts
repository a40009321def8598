/** Plays a recorded conversation to a target and tells where it says something else than etcd did. */
import { parseCases } from "./cases.ts";
import { isSame } from "./same.ts";
import { Session } from "./session.ts";
import { describeStep } from "./steps.ts";
import type { Target } from "./target.ts";

const DIFFERENCES_MAX = 5;

export interface Played {
  readonly steps: number;
  /** In words; empty when all was as etcd said it. */
  readonly differences: readonly string[];
}

export async function play(fixture: string, target: Target): Promise<Played> {
  const session = new Session(target);
  const differences: string[] = [];
  let steps = 0;
  try {
    for (const { step, said } of parseCases(fixture)) {
      steps++;
      const ours = await session.perform(step, said);
      if (isSame(ours, said)) continue;
      const received = `etcd: ${JSON.stringify(said)}\n  Quorate: ${JSON.stringify(ours)}`;
      differences.push(`step ${steps}: ${describeStep(step)}\n  ${received}`);
      if (differences.length === DIFFERENCES_MAX) break;
    }
  } finally {
    await session.stop();
  }
  return { steps, differences };
}
