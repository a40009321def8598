/** How much a tab's member may store: it has to find room in the browser's storage, twice, and in the tab's memory. */

/** What `navigator.storage.estimate()` gives. */
export interface StorageEstimateLike {
  readonly quota?: number;
}

/** All rows of a tab are in its memory too. */
const MOST_BYTES = 1024 ** 3;
const LEAST_BYTES = 16 * 1024 ** 2;

/** A snapshot that replaces the state is stored beside it first, so half of it is what may be used. */
export async function storageQuotaBytes(estimate: () => Promise<StorageEstimateLike>): Promise<number> {
  const { quota } = await estimate().catch((): StorageEstimateLike => ({}));
  if (quota === undefined) return MOST_BYTES;
  return Math.max(LEAST_BYTES, Math.min(MOST_BYTES, Math.floor(quota / 2)));
}
