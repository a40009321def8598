/** What happens to somebody, and what comes of it. */
import type { Place, World } from "./world.ts";

export interface Fate {
  readonly what: string;
  readonly places: readonly Place[];
  /** Seconds that the cause lasts; shortened in the short run. */
  readonly lastsSeconds?: number;
  readonly run: (world: World, lastsSeconds: number) => Promise<Outcome>;
}

/** In the words that the page or an error used. */
export interface Outcome {
  /** What was looked at in particular is as it must be. The history of all calls is judged beside it. */
  readonly right: boolean;
  /** What whoever it happened to was told meanwhile. */
  readonly says: string;
  /** What works again, and without whom. */
  readonly recovers: string;
  /** Until it worked again, or was noticed. */
  readonly seconds: number;
}

export type Fates = Readonly<Record<string, Fate>>;
