/** Which rooms this page has open: one member per room, or two would write one log. */
import { OpenRoomError } from "./common/errors.ts";

const open: Set<string> = new Set();
const closing: Map<string, Promise<void>> = new Map();

export interface OpenName {
  /** Resolves when a former member of the room in this page has closed its storage. */
  readonly free: Promise<void>;
  /** Frees the name at once. The next one to take it waits for `closed`, which does not reject. */
  release(closed: Promise<void>): void;
}

/** Throws OpenRoomError (already-open). */
export function takeName(key: string, name: string): OpenName {
  if (open.has(key)) {
    throw new OpenRoomError(
      "already-open",
      `The room "${name}" is open in this page already: use the client that openRoom returned, or close that one first.`,
    );
  }
  open.add(key);
  const free = closing.get(key) ?? Promise.resolve();
  let isReleased = false;
  return {
    free,
    release(closed) {
      if (isReleased) return;
      isReleased = true;
      open.delete(key);
      // One that never got its turn leaves the one before it to be waited for.
      const both = Promise.all([free, closed]).then(() => {
        if (closing.get(key) === both) closing.delete(key);
      });
      closing.set(key, both);
    },
  };
}
