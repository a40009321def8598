/**
 * A tab's database as it is, read without a write: the disk may be too full even for the fence (indexeddb-fence.ts). So
 * another opening may still write meanwhile, and what was read counts only if nothing has changed since. The connection
 * is closed afterwards.
 */
import { explained, openDatabase } from "./indexeddb-database.ts";
import type { Database } from "./indexeddb-database.ts";
import { isUnchanged, load } from "./indexeddb-load.ts";
import type { LoadedContent } from "./indexeddb-load.ts";
import { ReadOnlyStorage } from "../common/read-only.ts";
import { StorageError } from "../storage-error.ts";
import type { HeldBytes } from "../storage.ts";

/** A page that writes all the time has room, and is not one that another page reads beside. */
const ATTEMPTS_MAX = 3;

/**
 * Resolves to what the database holds; its writes fail as on a full disk. Undefined: there is no member, or it has no log
 * yet. `explainFull` says what takes the disk. Rejects with StorageError.
 */
export async function readIndexedDb(
  name: string,
  explainFull: (held: HeldBytes) => Promise<string>,
): Promise<ReadOnlyStorage | undefined> {
  const database = await openDatabase(name).catch((error: unknown) => {
    throw explained(error);
  });
  try {
    return await readFrom(database, explainFull);
  } finally {
    database.close();
  }
}

async function readFrom(
  database: Database,
  explainFull: (held: HeldBytes) => Promise<string>,
): Promise<ReadOnlyStorage | undefined> {
  for (let attempt = 1; ; attempt++) {
    const content = await settledContent(database, attempt === ATTEMPTS_MAX);
    if (content === undefined) continue;
    const { identity, log, state, tables } = content;
    const { window, hardState } = log;
    if (identity === undefined || (window.lastIndex() === 0 && state.applied === 0)) return undefined;
    const held = { log: window.sizeBytes, state: tables.keys.sizeBytes };
    const reason = new StorageError("quota", await explainFull(held));
    const { applied } = state;
    return new ReadOnlyStorage({ identity, log: window, hardState, tables, applied, held }, reason);
  }
}

/** Undefined: it has changed while it was read. `isLast`: then it is an error. */
async function settledContent(database: Database, isLast: boolean): Promise<LoadedContent | undefined> {
  try {
    const content = await load(database);
    if (await isUnchanged(database, content)) return content;
  } catch (error) {
    // What looks damaged may be half of an old and half of a new state.
    if (isLast) throw explained(error);
  }
  if (isLast) throw new StorageError("lost", "another page writes this member's database while it is read");
  return undefined;
}
