/** Chance and small memory of a browser profile. */

/** 64 random bits; 0 means "nobody" in Raft. */
export function randomId(): bigint {
  for (;;) {
    const [id] = crypto.getRandomValues(new BigUint64Array(1));
    if (id !== undefined && id !== 0n) return id;
  }
}

/**
 * What proves to the signalling server that a reloaded page is the same member: random, kept beside the store, and
 * worthless to others. Without a place to keep it, a reload waits until the server gives the former page up.
 */
export function signallingToken(room: string): string {
  const place = `quorate/token/${room}`;
  const fresh = randomId().toString(36);
  try {
    const kept = localStorage.getItem(place);
    if (kept === null) localStorage.setItem(place, fresh);
    return kept ?? fresh;
  } catch {
    return fresh;
  }
}

/** Some browsers ask their user, so we ask only once. */
export async function askToPersist(): Promise<void> {
  const place = "quorate/asked-to-persist";
  try {
    if (localStorage.getItem(place) !== null || (await navigator.storage.persisted())) return;
    localStorage.setItem(place, "yes");
    await navigator.storage.persist();
  } catch {
    // Then the browser decides by itself what it keeps.
  }
}
