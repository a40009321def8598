/** The part of the store that a read uses. */
import type { KeyTable } from "../tables/tables.ts";

/** What a read sees: the newest revision (within a txn that has written, its own), and the oldest one kept. */
export interface ReadView {
  readonly keys: KeyTable;
  readonly revision: number;
  readonly compactRevision: number;
}
