/** Finds fewer steps that still end in the same trouble: leaves out pieces, large ones first. */

/** How often it is tried; each try is a conversation with two fresh servers. */
const TRIES_MAX = 60;

/** The last step is the one that makes the difference, and stays. */
export async function shortened<Step>(
  steps: readonly Step[],
  stillDiffers: (candidate: readonly Step[]) => Promise<boolean>,
): Promise<readonly Step[]> {
  let few = steps;
  let tries = 0;
  for (let size = Math.ceil((few.length - 1) / 2); size >= 1 && tries < TRIES_MAX; size = Math.floor(size / 2)) {
    for (let from = 0; from < few.length - 1 && tries < TRIES_MAX;) {
      const candidate = few.filter((_, at) => at < from || at >= Math.min(from + size, few.length - 1));
      tries++;
      if (await stillDiffers(candidate)) few = candidate;
      else from += size;
    }
  }
  return few;
}
