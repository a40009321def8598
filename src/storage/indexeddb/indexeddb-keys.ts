/**
 * Keys of this browser profile, beside the databases of its members: a profile that loses a member's database keeps its
 * key, and so is known to the others. What is stored is the browser's handle of a key, which no script can read.
 */
import { openDB, type IDBPDatabase } from "idb";

const DATABASE = "quorate/keys";
const STORE = "keys";
const SCHEMA_VERSION = 1;

/**
 * Returns the pair of that name. If there is none, stores what `make` returns. Of two that ask at once, both get the one
 * that was stored first.
 */
export async function keptKeyPair<Pair>(
  name: string,
  isPair: (stored: unknown) => stored is Pair,
  make: () => Promise<Pair>,
): Promise<Pair> {
  const database = await open();
  try {
    const known: unknown = await database.get(STORE, name);
    if (isPair(known)) return known;
    // A transaction does not wait for other promises than its own.
    const made = await make();
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    const stored: unknown = await transaction.store.get(name);
    if (!isPair(stored)) await transaction.store.put(made, name);
    await transaction.done;
    return isPair(stored) ? stored : made;
  } finally {
    database.close();
  }
}

function open(): Promise<IDBPDatabase> {
  return openDB(DATABASE, SCHEMA_VERSION, {
    upgrade: (database) => {
      database.createObjectStore(STORE);
    },
  });
}
