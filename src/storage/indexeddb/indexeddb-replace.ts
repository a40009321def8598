/**
 * Gives a tab's database to a member of a new cluster, with a state of its own. It is one transaction: before it, the
 * former member is whole, and after it the new one is. So a crash cannot leave a mixture of the two.
 */
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { Identity } from "../storage.ts";
import {
  ALL_STORES,
  generationDeletes,
  explained,
  identityWrite,
  logWrites,
  openDatabase,
  stateWrites,
} from "./indexeddb-database.ts";
import { fence, guard } from "./indexeddb-fence.ts";
import { load } from "./indexeddb-load.ts";
import { writeAll } from "./indexeddb-writing.ts";
import { IdbStagedState } from "./indexeddb-staged.ts";

/** Where the log of the new member begins: its state is that of an entry that nobody has. */
const BEGINNING = { index: 1, term: 1 };

/** The database is in use by nobody. `fill` writes the new state to empty tables; if it throws, nothing has changed. */
export async function replaceIndexedDb(
  name: string,
  identity: Identity,
  fill: (tables: StateTables) => void,
): Promise<void> {
  try {
    const database = await openDatabase(name);
    try {
      const key = await fence(database, Math.random);
      const { state, stateWrite, log } = await load(database);
      const staged = new IdbStagedState(state.generation + 1, () => {});
      fill(staged.tables);
      staged.install();
      log.restart(BEGINNING.index, BEGINNING.term);
      log.setHardState({ term: BEGINNING.term, vote: 0n, commit: BEGINNING.index });
      const transaction = database.transaction([...ALL_STORES], "readwrite", { durability: "strict" });
      const mark = { generation: staged.generation, applied: BEGINNING.index, appliedTerm: BEGINNING.term };
      await writeAll(transaction, () => guard(transaction, key, () => {}), [
        ...generationDeletes(transaction, staged.generation),
        identityWrite(transaction, identity),
        ...logWrites(transaction, log.takeWrites(true)),
        ...stateWrites(transaction, staged.takeWrites(), mark, stateWrite + 1),
      ]);
    } finally {
      database.close();
    }
  } catch (error) {
    throw explained(error);
  }
}
