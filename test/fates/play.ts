/** Plays one fate in a world of its own, and judges what everybody was told in it. */
import type { Fate, Outcome } from "./fate.ts";
import { World } from "./world.ts";
import type { Place } from "./world.ts";

/** Longer than any fate lasts: it ends what hangs. */
const HANGS_MS = 15 * 60_000;

export interface Played extends Outcome {
  /** What went against the history, first thing first. Then it is not right. */
  readonly wrong: readonly string[];
}

/** A fate that cannot be played to its end is not right. */
export async function play({ run }: Fate, place: Place, lastsSeconds: number): Promise<Played> {
  const world = await World.create(place);
  try {
    const outcome = await inTime(run(world, lastsSeconds));
    const wrong = await inTime(world.witness.verdict());
    return { ...outcome, right: outcome.right && wrong.length === 0, wrong };
  } catch (error) {
    const says = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    return { right: false, says, recovers: "", seconds: Number.NaN, wrong: [says] };
  } finally {
    await world.end();
  }
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it did not end")), HANGS_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
