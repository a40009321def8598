/**
 * Only the last opening of a database may write to it. Another tab may take a member over while this one does not run
 * (its page is frozen, its process is stopped), and this one may go on with a write afterwards.
 *
 * Each opening has a key of its own, and revokes the key of the one before by storing it. Each write transaction adds its
 * own key, which fails if the key is stored, and an error of a request aborts the whole transaction. Then it deletes the
 * key again. So the check needs no read, whose answer a stopped page would not take: its transaction would
 * stay open and lock everybody else out.
 *
 * The log store and the state stores share no transaction, so the keys are in both. They are below those of the log.
 */
import type { IDBPDatabase, IDBPTransaction } from "idb";

/** The key of one opening. */
export type FenceKey = number;

const OWNER_KEY = "owner";
/** A page would have to sleep through as many openings to get past. The store does not grow for ever. */
const OPENINGS_KEPT = 1_000;
/** Tells apart openings of one number, of which the first was in a database that was deleted. */
const CHANCES = 2 ** 20;
const OPENINGS_MAX = 2 ** 32;
const REVOKED = new Uint8Array(0);

/** Revokes the former opening. Writes of it that are not committed yet fail. `chance` is in [0, 1). */
export async function fence(database: IDBPDatabase, chance: () => number): Promise<FenceKey> {
  const transaction = database.transaction(["log", "meta"], "readwrite", { durability: "strict" });
  const [log, meta] = [transaction.objectStore("log"), transaction.objectStore("meta")];
  const former = fenceKeyOf(await meta.get(OWNER_KEY));
  const key = -((openingOf(former) + 1) * CHANCES + Math.floor(chance() * CHANCES));
  const forgotten = IDBKeyRange.bound(Math.min(key + OPENINGS_KEPT * CHANCES, -1), -1);
  const requests: Promise<unknown>[] = [meta.put(key, OWNER_KEY)];
  for (const store of [log, meta]) {
    requests.push(store.delete(forgotten));
    if (former !== 0) requests.push(store.put(REVOKED, former));
  }
  transaction.commit();
  await Promise.all([...requests, transaction.done]);
  return key;
}

/**
 * Makes the transaction fail if its opening was revoked, and calls `refused`, before any other event of its failure.
 * Resolves when the transaction may write.
 */
export function guard<Stores extends string[]>(
  transaction: IDBPTransaction<unknown, Stores, "readwrite">,
  key: FenceKey,
  refused: () => void,
): Promise<void> {
  const store = transaction.objectStore(transaction.objectStoreNames.contains("log") ? "log" : "meta");
  // The transaction reports an error of another kind.
  const added = store.add(REVOKED, key);
  added.catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "ConstraintError") refused();
  });
  const passed = Promise.all([added, store.delete(key)]).then(() => {});
  passed.catch(() => {});
  return passed;
}

/** Whoever was here before there were keys, or has damaged its own, is not told apart. */
function fenceKeyOf(stored: unknown): FenceKey {
  const isKey = typeof stored === "number" && Number.isSafeInteger(stored) && stored < 0;
  return isKey && openingOf(stored) < OPENINGS_MAX ? stored : 0;
}

function openingOf(key: FenceKey): number {
  return Math.floor(-key / CHANCES);
}
