/** What a read sees of the store. */
import type { KeyTable } from "../tables/tables.ts";

/** What a read sees: the newest revision (within a txn that has written, its own), and the oldest one kept. */
export interface ReadView {
  readonly keys: KeyTable;
  readonly revision: number;
  readonly compactRevision: number;
}
