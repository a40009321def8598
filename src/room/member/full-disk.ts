/** A tab whose disk is full looks for room: when something may have changed, and otherwise less and less often. */
import type { ReadOnlyStorage } from "../../storage/common/read-only.ts";
import { StorageError } from "../../storage/storage-error.ts";
import type { Clock } from "../../member/clock.ts";
import type { Patience } from "../common/patience.ts";

export interface FullDiskDeps {
  readonly clock: Clock;
  readonly patience: Patience;
  readonly hasRoom: () => Promise<boolean>;
}

const FIRST_PAUSE_MS = 1_000;
const GROWTH = 2;
const LIMIT_MS = 60_000;
/** A disk that was not full for so long is another matter than one that is full again at once. */
const FORGOTTEN_AFTER_MS = 5 * 60_000;

export class FullDisk {
  readonly #deps: FullDiskDeps;
  #pauseMs = FIRST_PAUSE_MS;
  #lastMs = -Infinity;

  constructor(deps: FullDiskDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when there seems to be room, or the signal aborts. It pauses at least once: room for a small write is no room
   * for the one that failed. Rejects with StorageError if the store fails for another reason.
   */
  async untilRoom(signal: AbortSignal): Promise<void> {
    const { clock, patience, hasRoom } = this.#deps;
    if (clock.nowMs() - this.#lastMs > FORGOTTEN_AFTER_MS) this.#pauseMs = FIRST_PAUSE_MS;
    do {
      await patience.pause(this.#pauseMs, signal);
      this.#pauseMs = Math.min(this.#pauseMs * GROWTH, LIMIT_MS);
    } while (!signal.aborted && !(await hasRoom()));
    this.#lastMs = clock.nowMs();
  }
}

/** Reads what is stored of a room; undefined where there is no database yet, or another page has it still. */
export async function storedCopy(
  read: () => Promise<ReadOnlyStorage | undefined>,
): Promise<ReadOnlyStorage | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StorageError && (error.kind === "quota" || error.kind === "lost")) return undefined;
    throw error;
  }
}
