/** Whether the disk has room again, found out without opening a member's store, which reads and writes much more. */
import { openDatabase, explained } from "./indexeddb-database.ts";

/** As much as a few writes of a member. By chance, because browsers count what is left after compression. */
const TRIED_BYTES = 64 * 1024;
/** No reader knows it, and the transaction that puts it deletes it. */
const KEY = "room";

/** Tries a write in the database. Rejects with StorageError for reasons other than a full disk. */
export async function hasRoom(name: string): Promise<boolean> {
  try {
    const database = await openDatabase(name);
    try {
      const transaction = database.transaction("meta", "readwrite", { durability: "relaxed" });
      const put = transaction.store.put(crypto.getRandomValues(new Uint8Array(TRIED_BYTES)), KEY);
      // The transaction reports it.
      put.catch(() => {});
      const deleted = put.then(() => transaction.store.delete(KEY));
      deleted.catch(() => {});
      await transaction.done.catch((error: unknown) => {
        throw transaction.error ?? error;
      });
      await deleted;
      return true;
    } finally {
      database.close();
    }
  } catch (error) {
    const failure = explained(error);
    if (failure.kind === "quota") return false;
    throw failure;
  }
}
